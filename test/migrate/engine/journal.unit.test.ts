import { appendFile, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Journal, readRun } from '../../../src/migrate/engine/journal.js';
import type { RecordedSettings } from '../../../src/migrate/settings.js';

const at = '2026-11-23T10:00:00.000Z';
const settings: RecordedSettings = {
  backendConfig: '/etc/sensu/backend.yml',
  envFile: '/etc/default/sensu-backend',
  endpoints: ['https://etcd-1:2379'],
  tls: {},
  sourceTls: {},
  stopCommand: 'systemctl stop sensu-backend',
  startCommand: 'systemctl start sensu-backend',
  auth: 'password',
  etcdUser: 'sensu',
  sensuPasswordFile: '/root/sensu-password',
  profile: 'documented',
  enableAuth: true,
  configOnly: false,
  startTimeoutSeconds: 60,
  watchSeconds: 0,
};
const begun = { type: 'begun', at, tool: 'sensu-ferry 0.1.0', settings } as const;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sensu-ferry-journal-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe('journal', () => {
  it('says what was begun, what is done, and how it ended', async () => {
    const journal = await Journal.create(directory, begun);
    await journal.append({ type: 'started', at, step: 'stop' });
    await journal.append({ type: 'done', at, step: 'stop', facts: { stopAskedAt: at, stoppedAt: at } });
    await journal.append({ type: 'started', at, step: 'difference' });
    await journal.append({ type: 'failed', at, step: 'difference', error: 'the target is full' });
    await journal.close();
    const run = await readRun(directory);
    expect(run.settings).toEqual(settings);
    expect(run.facts.stop).toEqual({ stopAskedAt: at, stoppedAt: at });
    expect([...run.started]).toEqual(['stop', 'difference']);
    expect(run.lastError).toBe('the target is full');
    expect(run.outcome).toBeUndefined();
  });

  it('goes on after a line that a power cut tore', async () => {
    await (await Journal.create(directory, begun)).close();
    await appendFile(join(directory, 'journal.ndjson'), '{"type":"done","at":"2026-');
    const journal = await Journal.reopen(directory);
    await journal.append({ type: 'started', at, step: 'load' });
    await journal.close();
    expect([...(await readRun(directory)).started]).toEqual(['load']);
  });

  it('is readable by its owner only', async () => {
    await (await Journal.create(directory, begun)).close();
    expect((await stat(join(directory, 'journal.ndjson'))).mode & 0o777).toBe(0o600);
  });

  it('begins anew where a run was killed before its first line was whole', async () => {
    await appendFile(join(directory, 'journal.ndjson.part'), '{"type":"begun","at":"2026-');
    await (await Journal.create(directory, begun)).close();
    expect((await readRun(directory)).settings).toEqual(settings);
  });

  it('does not mix with another run', async () => {
    await (await Journal.create(directory, begun)).close();
    await expect(Journal.create(directory, begun)).rejects.toMatchObject({
      code: 'RUN_EXISTS',
      kind: 'refused',
    });
  });

  it('keeps a second process out while one is at work', async () => {
    const journal = await Journal.create(directory, begun);
    await expect(Journal.reopen(directory)).rejects.toMatchObject({ code: 'RUN_LOCKED', kind: 'locked' });
    await journal.close();
  });

  const ended = { type: 'ended', at, outcome: 'migrated' };
  it.each<[string, object, string]>([
    ['an outcome that does not exist', { ...ended, outcome: 'zzz' }, '"outcome"'],
    ['a step that does not exist', { type: 'started', at, step: 'fly' }, '"step"'],
    ['an event that does not exist', { type: 'sung', at }, '"type"'],
    ['a time that is none', { ...ended, at: 'soon' }, '"at"'],
    ['facts of another form', { type: 'done', at, step: 'stop', facts: { stoppedAt: 7 } }, '"stopAskedAt"'],
    [
      'a revision that is no number',
      { type: 'done', at, step: 'difference', facts: { targetRevision: '-' } },
      '',
    ],
    [
      'other settings again',
      { ...begun, settings: { ...settings, endpoints: 'etcd' } },
      '"settings.endpoints"',
    ],
  ])('that has %s is refused with the line, not believed', async (_what, line, field) => {
    await (await Journal.create(directory, begun)).close();
    await appendFile(join(directory, 'journal.ndjson'), `${JSON.stringify(line)}\n`);
    await expect(readRun(directory)).rejects.toMatchObject({
      kind: 'usage',
      code: 'RUN_UNREADABLE',
      message: expect.stringMatching(`this release does not know: line 2.*${field}`) as string,
    });
  });

  it('says which directory is none of a migration', async () => {
    await expect(readRun(directory)).rejects.toMatchObject({ code: 'RUN_UNREADABLE', kind: 'usage' });
  });
});
