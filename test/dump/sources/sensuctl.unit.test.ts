import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Context } from '../../../src/core/context.js';
import type { DumpResource } from '../../../src/dump/read/resource.js';
import { parseSelection, type SelectionFlags } from '../../../src/dump/selection.js';
import { SensuctlSource } from '../../../src/dump/sources/sensuctl.js';
import { silentContext } from '../../support/silent-context.js';
import { failureOf } from '../../support/ferry-error.js';
import { compared, recordedResources, sorted } from '../recorded-dump.js';

const recorded = fileURLToPath(new URL('../../support/recorded-sensuctl.js', import.meta.url));

/** A context in whose PATH there is a sensuctl that does what was recorded, or has that fault. */
async function contextWith(fault = '', signal?: AbortSignal): Promise<Context> {
  const folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-sensuctl-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await symlink(recorded, join(folder, 'sensuctl'));
  const PATH = `${folder}:${dirname(process.execPath)}:/usr/bin:/bin`;
  return { ...silentContext(signal), env: { PATH, RECORDED_SENSUCTL: fault } };
}

const everything = parseSelection({});

async function readAll(source: SensuctlSource): Promise<DumpResource[]> {
  const all: DumpResource[] = [];
  for await (const resource of source.resources()) all.push(resource);
  return all;
}

/** What sensuctl was asked, and what came of it. */
async function readAsked(
  flags: SelectionFlags,
): Promise<{ readonly asked: readonly string[]; readonly resources: readonly DumpResource[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-sensuctl-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const RECORDED_SENSUCTL_ASKED = join(folder, 'asked');
  const context = await contextWith();
  const env = { ...context.env, RECORDED_SENSUCTL_ASKED };
  const resources = await readAll(new SensuctlSource({ ...context, env }, parseSelection(flags)));
  return { asked: (await readFile(RECORDED_SENSUCTL_ASKED, 'utf8')).trimEnd().split('\n'), resources };
}

describe('a dump from sensuctl', () => {
  /** The trap: `sensuctl dump all --all-namespaces` leaves out every event, and ends with 0. */
  it('has all that it writes, and the events of each namespace', async () => {
    const source = new SensuctlSource(await contextWith(), everything);
    const resources = await readAll(source);
    expect(sorted(resources.map(compared))).toEqual(sorted(await recordedResources()));
    expect(resources.filter(({ type }) => type === 'Event')).toHaveLength(2);
    expect(source.skipped).toEqual([]);
    // They stand where sensuctl has them in a dump of one namespace.
    const types = [...new Set(resources.map(({ type }) => type))];
    expect(types.slice(types.indexOf('Entity'))).toEqual([
      ...['Entity', 'Event', 'EventFilter', 'Handler', 'HookConfig', 'Mutator', 'Pipeline'],
      ...['Role', 'RoleBinding', 'Silenced'],
    ]);
  });

  /** The trap: sensuctl says nothing of what its user may not read. */
  it('says which types its user cannot have read', async () => {
    const source = new SensuctlSource(await contextWith('fewer'), everything);
    await readAll(source);
    expect(source.skipped.map(({ type }) => type)).toEqual([
      'ClusterRole',
      'ClusterRoleBinding',
      'User',
      'TessenConfig',
    ]);
  });

  it.each<[SelectionFlags, readonly string[]]>([
    // In the order that is asked for, as sensuctl does it.
    [{ types: 'handlers,checks' }, ['dump core/v2.Handler,core/v2.CheckConfig --all-namespaces']],
    [
      { types: 'checks,events,assets' },
      [
        'namespace list',
        'dump core/v2.CheckConfig --all-namespaces',
        ...['default', 'ops', 'sensu-system'].map((name) => `dump core/v2.Event --namespace ${name}`),
        'dump core/v2.Asset --all-namespaces',
      ],
    ],
    [{ types: 'checks,secrets/v1.Secret' }, ['dump core/v2.CheckConfig,secrets/v1.Secret --all-namespaces']],
    [
      { types: 'checks,events', namespace: 'ops' },
      ['namespace list', 'dump core/v2.CheckConfig,core/v2.Event --namespace ops'],
    ],
    [{ omit: 'events,users' }, ['dump all --omit core/v2.User,core/v2.Event --all-namespaces']],
    [{ namespace: 'ops' }, ['namespace list', 'dump all --namespace ops']],
    [
      { types: 'events' },
      [
        'namespace list',
        ...['default', 'ops', 'sensu-system'].map((name) => `dump core/v2.Event --namespace ${name}`),
      ],
    ],
  ])('asks for no more than %j', async (flags, wanted) => {
    const { asked, resources } = await readAsked(flags);
    expect(asked.map((words) => words.replace(/ --format [\w-]+$/, ''))).toEqual(['version', ...wanted]);
    const isElsewhere = ({ namespace: own }: DumpResource): boolean =>
      own !== undefined && own !== (flags.namespace ?? own);
    expect(resources.filter(isElsewhere)).toEqual([]);
    expect(resources).not.toEqual([]);
  });

  it('may be left early', async () => {
    for await (const { type } of new SensuctlSource(await contextWith(), everything).resources()) {
      expect(type).toBe('Namespace');
      break;
    }
  });

  it.each([
    ['not-configured', 'usage', 'SENSUCTL_NOT_CONFIGURED', 'No API URL is defined'],
    ['no-credentials', 'usage', 'SENSUCTL_NOT_CONFIGURED', 'Unable to locate credentials'],
    ['denied', 'denied', 'SENSUCTL_DENIED', 'unauthorized to perform action'],
    ['unreachable', 'unreachable', 'SENSUCTL_FAILED', 'connection refused'],
    ['old', 'usage', 'SENSUCTL_TOO_OLD', '5.21.5'],
    ['stranger', 'usage', 'SENSUCTL_UNUSABLE', 'does not tell its version'],
  ])('ends with what is wrong: %s', async (fault, kind, code, words) => {
    const failure = await failureOf(readAll(new SensuctlSource(await contextWith(fault), everything)));
    expect(failure).toMatchObject({ kind, code });
    expect(failure.message).toContain(words);
    expect(failure.hint).not.toBe('');
  });

  it('is refused when sensuctl was killed in the middle', async () => {
    const failure = await failureOf(readAll(new SensuctlSource(await contextWith('cut'), everything)));
    expect(['SENSUCTL_FAILED', 'DUMP_UNUSABLE', 'DUMP_NOT_JSON']).toContain(failure.code);
  });

  it('ends a sensuctl that says nothing', async () => {
    const source = new SensuctlSource(await contextWith('silent'), everything, 2000);
    expect(await failureOf(readAll(source))).toMatchObject({ kind: 'unreachable', code: 'SENSUCTL_SILENT' });
  });

  it('ends with the signal', async () => {
    const stop = new AbortController();
    const source = new SensuctlSource(await contextWith('silent', stop.signal), everything);
    setTimeout(() => {
      stop.abort(new Error('stopped by the test'));
    }, 500);
    await expect(readAll(source)).rejects.toThrow('stopped by the test');
  });

  it('of a namespace that is not there is refused', async () => {
    const failure = await failureOf(readAsked({ namespace: 'opps' }));
    expect(failure).toMatchObject({ kind: 'usage', code: 'NAMESPACE_UNKNOWN' });
  });

  it('needs one to be there', async () => {
    const context = { ...silentContext(), env: { PATH: '/nowhere' } };
    const failure = await failureOf(readAll(new SensuctlSource(context, everything)));
    expect(failure).toMatchObject({ kind: 'usage', code: 'COMMAND_NOT_FOUND' });
  });
});
