import { symlinkSync, writeFileSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serveDouble, type ServedDouble } from '../support/served-double.js';
import { insideMarks } from '../dump/inside-marks.js';
import { expectFailure, ferry, fixture, testFolder } from '../support/ferry.js';

const recorded = (name: string): string => readFileSync(fixture(`kitchen-sink-6.12.0/${name}`), 'utf8');
const documents = (text: string): string[] => text.split(/(?<=\n)---\n/).sort();

let double: ServedDouble;
beforeAll(async () => {
  double = await serveDouble('kitchen-sink-6.12.0');
}, 120_000);
afterAll(() => double.stop());

describe('dump', () => {
  it("of Sensu's API is that of its store, and says what it cannot hold", async () => {
    const keyFile = join(await testFolder(), 'key');
    writeFileSync(keyFile, '3ab2ee1c-0d2b-4c0d-9d6e-9a4f6e1f7b11\n', { mode: 0o600 });
    const api = ['dump', '--api-url', double.url, '--api-key-file', keyFile];
    const ended = await ferry([...api, '--omit', 'events']);
    expect(ended.code).toBe(3);
    expect(documents(insideMarks(ended.stdout))).toEqual(documents(recorded('dump.yml')));
    expect(ended.stderr).toContain('the passwords of 4 users');
    // The API has masked what the entity redacts: it is in no dump of it.
    expect(ended.stderr).toContain(
      'Entity default/router (metadata.labels.password, metadata.annotations.api_key)',
    );
    const events = await ferry([...api, '--types', 'events', '--namespace', 'ops']);
    expect(insideMarks(events.stdout)).toBe(recorded('events-ops.yml'));
    expectFailure(await ferry([...api, '--with-secrets']), 2, 'SECRETS_NOT_SHOWN');
  });

  it('of sensuctl is what it writes, with the events that it leaves out', async () => {
    const folder = await testFolder();
    const sensuctl = fileURLToPath(new URL('../support/recorded-sensuctl.js', import.meta.url));
    symlinkSync(sensuctl, join(folder, 'sensuctl'));
    const env = { PATH: `${folder}:${dirname(process.execPath)}:/usr/bin:/bin` };
    const ended = await ferry(['dump', '--sensuctl'], { env });
    expect(ended.code).toBe(3);
    const events = ['default', 'ops'].map((namespace) => recorded(`events-${namespace}.yml`));
    expect(documents(insideMarks(ended.stdout))).toEqual(
      [...documents(recorded('dump.yml')), ...events].sort(),
    );
  });
});
