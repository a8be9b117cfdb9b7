import { describe, expect, it } from 'vitest';
import { writeDump } from '../../../src/dump/dump.js';
import type { LossReport } from '../../../src/dump/loss-report.js';
import type { DumpOutput } from '../../../src/dump/write/output.js';
import { parseSelection, type SelectionFlags } from '../../../src/dump/selection.js';
import { dumpStore } from '../../../src/dump/sources/store.js';
import { silentContext } from '../../support/silent-context.js';
import { bytesField, numberField, wrapper } from '../../sensu/resources/wire.js';
import { memoryStore } from '../../snapshot/diff/memory-store.js';

interface Dumped {
  readonly documents: readonly string[];
  readonly report: LossReport;
}

async function dump(
  values: Readonly<Record<string, Buffer | string>>,
  flags: SelectionFlags = {},
  withSecrets = false,
  { takenAt, leased }: { readonly takenAt?: Date; readonly leased?: Readonly<Record<string, bigint>> } = {},
): Promise<Dumped> {
  const documents: string[] = [];
  const output: DumpOutput = {
    write: (document) => Promise.resolve(void documents.push(document)),
    finish: () => Promise.resolve(),
    abandon: () => Promise.resolve(),
    isOut: false,
  };
  const now = new Date(1_700_000_000_000);
  const context = { ...silentContext(), clock: { now: () => now } };
  const items = dumpStore(memoryStore(values, leased), parseSelection(flags), context, takenAt);
  return { documents, report: await writeDump(context, items, output, { format: 'yaml', withSecrets }) };
}

const pair = (name: string, value: string): Buffer =>
  Buffer.concat([bytesField(1, name), bytesField(2, value)]);
const meta = (namespace: string, name: string, ...labels: Buffer[]): Buffer =>
  Buffer.concat([
    bytesField(1, name),
    bytesField(2, namespace),
    ...labels.map((label) => bytesField(3, label)),
  ]);
const entity = (...labels: Buffer[]): Buffer =>
  wrapper('EntityConfig', 'protobuf', bytesField(1, meta('d', 'e', ...labels)));

describe('what is lost with a dump', () => {
  it('is nothing when everything comes back', async () => {
    const { report } = await dump({
      'checks/d/c': bytesField(26, meta('d', 'c')),
      cluster_id: 'x',
      'rings/d/x': '',
    });
    expect(report).toMatchObject({
      loses: false,
      resources: 1,
      types: { CheckConfig: 1 },
      labelled: 1,
      leftOut: [],
    });
  });

  it('are the passwords of users, unless they are in it or there is none', async () => {
    const users = {
      'users/a': Buffer.concat([bytesField(1, 'a'), bytesField(5, '$2a$x')]),
      'users/b': bytesField(1, 'b'),
    };
    expect((await dump(users)).report.usersWithoutPassword).toEqual(['a', 'b']);
    const { report, documents } = await dump(users, {}, true);
    expect(report.usersWithoutPassword).toEqual(['b']);
    expect(documents[0]).toContain('\n  password_hash: $2a$x\n');
  });

  it('are labels that an entity hides, unless they are the mask themselves', async () => {
    const values = { 'entity_configs/d/e': entity(pair('password', 'hunter2'), pair('secret', 'REDACTED')) };
    const { report, documents } = await dump(values);
    expect(report.redacted).toMatchObject({
      count: 1,
      first: [{ name: 'e', paths: ['metadata.labels.password'] }],
    });
    expect(documents[0]).not.toContain('hunter2');
    const open = await dump(values, {}, true);
    expect(open.report.loses).toBe(false);
    expect(open.documents[0]).toContain('password: hunter2');
  });

  it('are secrets of commercial types, which are masked where their name sounds like one', async () => {
    const spec = { url: 'postgres://me:pw@host/db', pool_size: 20, password: 'x', dsn: 'y' };
    const values = {
      'api/enterprise/store/v1/provider/pg': JSON.stringify({
        ...{ type: 'PostgresConfig', api_version: 'store/v1', metadata: { name: 'pg' }, spec },
      }),
    };
    const { report, documents } = await dump(values);
    expect(documents[0]).toContain('\n  dsn: REDACTED\n  password: REDACTED\n  pool_size: 20\n');
    expect(documents[0]).toContain('postgres://me:REDACTED@host/db');
    expect(report.redacted.first[0]!.paths).toEqual(['spec.dsn', 'spec.password', 'spec.url']);
    expect((await dump(values, { types: 'checks' })).documents).toEqual([]);
    expect((await dump(values, { types: 'store/v1.PostgresConfig' })).documents).toHaveLength(1);
  });

  it('are values and fields that cannot be told, and keys of kinds that are not known', async () => {
    const { report } = await dump({
      'checks/d/broken': '{',
      'checks/d/newer': numberField(77, 1n),
      'resource_templates/t': 'x',
      'tomorrow/x': '',
      'tomorrow/y': '',
    });
    expect(report.unreadable).toMatchObject({ count: 1, first: [{ key: '/sensu.io/checks/d/broken' }] });
    expect(report.fieldsNotShown).toMatchObject({ count: 1, first: [{ paths: ['77'] }] });
    expect(report.leftOut).toEqual([
      { group: '/sensu.io/resource_templates/', keys: 1 },
      { group: '/sensu.io/tomorrow/', keys: 2 },
    ]);
    expect(report.loses).toBe(true);
  });

  /** With secrets all is in the dump, and sensuctl masks it on its way back (seen on 6.7.5 and 6.12.0). */
  it('are, of a dump with secrets, labels that create masks: what the entity itself names as secret', async () => {
    const store = { 'entity_configs/d/e': entity(pair('password', 'hunter2'), pair('region', 'eu')) };
    const { report } = await dump(store, {}, true);
    expect(report).toMatchObject({
      loses: false,
      redacted: { count: 0 },
      maskedByCreate: { count: 1, first: [{ name: 'e', paths: ['metadata.labels.password'] }] },
    });
    expect((await dump(store)).report.maskedByCreate.count).toBe(0);
  });

  it('are API keys, told apart by their last characters alone', async () => {
    const key = '83abef1e-e7d7-4beb-91fc-79ad90084d5b';
    const { report } = await dump({
      [`apikeys/${key}`]: Buffer.concat([bytesField(1, meta('', key)), bytesField(2, 'me')]),
    });
    expect(report.apiKeys).toEqual([{ owner: 'me', hint: '…4d5b' }]);
    expect(JSON.stringify(report)).not.toContain('83abef1e');
  });

  it('are entities of agents, halves of entities, and silences without an end', async () => {
    const silence = (end: bigint, name: string): Buffer =>
      Buffer.concat([bytesField(1, meta('d', name)), numberField(11, end)]);
    const { report } = await dump({
      'entity_configs/d/e': entity(pair('sensu.io/managed_by', 'sensu-agent')),
      'entity_states/d/lone': wrapper('EntityState', 'protobuf', Buffer.of()),
      'silenced/d/a:*': silence(0n, 'a:*'),
      'silenced/d/b:*': silence(1_700_000_000n + 86_400n, 'b:*'),
    });
    expect(report.refusedEntities).toMatchObject({ count: 1, first: [{ namespace: 'd', name: 'e' }] });
    expect(report.halfEntities).toMatchObject({ count: 1, first: [{ namespace: 'd', name: 'lone' }] });
    expect(report.silencesCutShort).toMatchObject({ count: 1, first: [{ name: 'a:*' }] });
  });

  describe('of silences', () => {
    const silence = (name: string, ...fields: Buffer[]): Buffer =>
      Buffer.concat([bytesField(1, meta('d', name)), ...fields]);
    const [expire, expireAt] = [2, 11];
    const store = {
      'silenced/d/none:*': silence('none:*'),
      'silenced/d/early:*': silence('early:*', numberField(expireAt, 1_699_999_000n)),
      'silenced/d/late:*': silence('late:*', numberField(expireAt, 1_700_000_500n)),
    };

    /** The traps: 6.7.5 stores 0 and shows -1; what has ended is in the store until somebody asks for it. */
    it('shows those that Sensu shows, and how it does', async () => {
      const { documents, report } = await dump(store, {}, false, { takenAt: new Date(1_699_999_500_000) });
      expect(documents.map((text) => /name: (.*)/.exec(text)![1])).toEqual(['late:*', 'none:*']);
      expect(documents[1]).toContain('  expire: -1\n');
      expect(report).toMatchObject({
        endedSilences: { count: 1, first: [{ namespace: 'd', name: 'early:*' }] },
        silencesEndedSince: { count: 0 },
      });
    });

    it('keeps those that have ended where nobody knows when the store was as it is, and says so', async () => {
      const { documents, report } = await dump(store);
      expect(documents).toHaveLength(3);
      expect(report).toMatchObject({
        endedSilences: { count: 0 },
        silencesEndedSince: { count: 1, first: [{ namespace: 'd', name: 'early:*' }] },
      });
    });

    it('keeps the length of one that ends by a lease, as Sensu 5 had them', async () => {
      const old = { 'silenced/d/old:*': silence('old:*', numberField(expire, 60n)) };
      const { documents } = await dump(old, {}, false, { leased: { 'silenced/d/old:*': 5n } });
      expect(documents[0]).toContain('  expire: 60\n');
    });
  });

  it('names a few of many, and counts all', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 50 }, (_, index) => [`checks/d/c${index}`, numberField(77, 1n)]),
    );
    const { report } = await dump(many);
    expect(report.fieldsNotShown.count).toBe(50);
    expect(report.fieldsNotShown.first).toHaveLength(20);
  });
});

describe('a selection', () => {
  const store = {
    'namespaces/d': bytesField(1, 'd'),
    'checks/d/c': bytesField(26, meta('d', 'c')),
    'checks/dd/c': bytesField(26, meta('dd', 'c')),
    'handlers/d/h': bytesField(1, meta('d', 'h')),
  };
  const types = async (flags: SelectionFlags): Promise<string[]> =>
    (await dump(store, flags)).documents.map((document) => /^type: (\w+)/.exec(document)![1]!);

  it.each([
    [{}, ['Namespace', 'CheckConfig', 'CheckConfig', 'Handler']],
    [{ types: 'handlers,checks' }, ['Handler', 'CheckConfig', 'CheckConfig']],
    [{ types: 'handlers,all' }, ['Namespace', 'CheckConfig', 'CheckConfig', 'Handler']],
    [{ types: 'core/v2.Handler' }, ['Handler']],
    [{ omit: 'checks,CheckConfig' }, ['Namespace', 'Handler']],
    // As sensuctl does it: what lies in no namespace is in it.
    [{ namespace: 'd' }, ['Namespace', 'CheckConfig', 'Handler']],
  ])('of %j', async (flags, expected) => {
    expect(await types(flags)).toEqual(expected);
  });

  it('of nothing is refused: a dump of no resources would look like one of an empty store', async () => {
    await expect(types({ omit: 'all' })).rejects.toMatchObject({ kind: 'usage', code: 'NOTHING_SELECTED' });
  });
});
