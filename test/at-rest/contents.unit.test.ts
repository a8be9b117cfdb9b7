import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openSnapshot } from '../../src/etcd-files/mvcc/store-file.js';
import { classifyKey } from '../../src/sensu/keys/key-space.js';
import { readContents, type StoreContents } from '../../src/at-rest/contents.js';
import { asView } from '../../src/at-rest/store-view.js';
import { digestView } from '../../src/store/digest.js';
import type { LeaseId, Revision, StoreEntry, StoreView } from '../../src/store/view.js';

const context = { signal: new AbortController().signal };

interface Truth {
  readonly revision: number;
  readonly count: number;
  readonly keys: readonly { key: string; lease: unknown; value_bytes: number }[];
  readonly leases: readonly unknown[] | Readonly<Record<string, unknown>>;
}

function fixture(path: string): URL {
  return new URL(`../../fixtures/${path}`, import.meta.url);
}

/** The sums as they follow from the list of keys that etcd itself gave. */
function prefixesOf({ keys }: Truth): StoreContents['prefixes'] {
  const groupOf = ({ key }: { key: string }): string => classifyKey(Buffer.from(key)).group;
  const sumsOf = (prefix: string): StoreContents['prefixes'][number] => {
    const members = keys.filter((one) => groupOf(one) === prefix);
    return {
      prefix,
      keys: members.length,
      bytes: members.reduce((sum, { key, value_bytes }) => sum + Buffer.byteLength(key) + value_bytes, 0),
      leasedKeys: members.filter(({ lease }) => lease !== null).length,
    };
  };
  return [...new Set(keys.map(groupOf))].sort().map(sumsOf);
}

describe.each(['single-6.7.5', 'cluster3-6.12.0', 'kitchen-sink-6.12.0'])('the store %s', (name) => {
  const truth = JSON.parse(readFileSync(fixture(`${name}/truth.json`), 'utf8')) as Truth;

  it('has the keys, bytes and leases that etcd listed', async () => {
    const file = openSnapshot(fixture(`${name}/snapshot.db`).pathname);
    try {
      const view = asView(file);
      const contents = await readContents(view, context);
      expect(contents).toMatchObject({
        revision: BigInt(truth.revision),
        keys: truth.count,
        leases: Object.keys(truth.leases).length,
        leasedKeys: truth.keys.filter(({ lease }) => lease !== null).length,
        outsideRoot: 0,
        unreadable: [],
        databaseVersion: '2',
      });
      expect(contents.prefixes).toEqual(prefixesOf(truth));
      expect(contents.digest).toEqual(await digestView(view));
      expect(contents.sensuClusterId).toMatch(/^[0-9a-f]{8}-/);
    } finally {
      file.close();
    }
  });
});

function entry(key: string, value: string, lease?: bigint): StoreEntry {
  return {
    key: Buffer.from(key),
    value: Buffer.from(value),
    createRevision: 1n as Revision,
    modRevision: 1n as Revision,
    version: 1n,
    lease: lease as LeaseId | undefined,
  };
}

function view(...batches: readonly StoreEntry[][]): StoreView {
  return {
    revision: 9n as Revision,
    leases: () => Promise.resolve([{ id: 5n as LeaseId, ttl: 60n }]),
    // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous
    async *entries() {
      yield* batches;
    },
  };
}

describe('what a store holds', () => {
  it('includes users and API keys in every form of their values', async () => {
    const contents = await readContents(
      view([
        entry('/sensu.io/apikeys/24484dcc-ee3e-4f43-a347-a4aec7cd1523', '{"username":"bob","created_at":7}'),
        entry('/sensu.io/users/bob', '\x0a\x03bob'),
      ]),
      context,
    );
    expect(contents.users).toEqual([{ username: 'bob', groups: [], disabled: false, hasPassword: false }]);
    expect(contents.apiKeys).toEqual([
      { name: '24484dcc-ee3e-4f43-a347-a4aec7cd1523', owner: 'bob', createdAt: 7n },
    ]);
  });

  /** The trap: one value that cannot be read would keep the whole store from being saved. */
  it('is told although a value is in a form of tomorrow', async () => {
    const contents = await readContents(
      view([
        entry('/sensu.io/apikeys/24484dcc-ee3e-4f43-a347-a4aec7cd1523', '\xff'),
        entry('/sensu.io/users/bob', '\xff'),
      ]),
      context,
    );
    expect(contents).toMatchObject({ keys: 2, users: [], apiKeys: [] });
    expect(contents.unreadable).toEqual(['API key …1523', 'user bob']);
  });

  it('counts keys of other tenants, and leaves them out of the digest', async () => {
    const own = entry('/sensu.io/checks/ops/cpu', 'x', 5n);
    const contents = await readContents(view([entry('/a', '1'), own], [entry('/sensu.io0', '2')]), context);
    expect(contents).toMatchObject({ keys: 3, outsideRoot: 2, leasedKeys: 1 });
    expect(contents.digest).toEqual(await digestView(view([own])));
  });

  it('does not count a lease that the store has lost', async () => {
    const contents = await readContents(view([entry('/sensu.io/rings/ops/a', '', 6n)]), context);
    expect(contents).toMatchObject({ keys: 1, leasedKeys: 0 });
  });

  it('has no cluster id that would lead a file name elsewhere', async () => {
    const contents = await readContents(view([entry('/sensu.io/cluster_id', '../../x')]), context);
    expect(contents.sensuClusterId).toBeUndefined();
  });

  it('is not read on after an interruption', async () => {
    const abort = new AbortController();
    let batches = 0;
    const endless: StoreView = {
      ...view(),
      // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous
      async *entries() {
        for (; batches < 100; batches += 1) {
          if (batches === 2) abort.abort(new Error('stopped'));
          yield [entry('/sensu.io/tessen', '')];
        }
      },
    };
    await expect(readContents(endless, abort)).rejects.toThrow('stopped');
    expect(batches).toBeLessThan(4);
  });
});

describe('speed', () => {
  it('counts 150,000 entries in a fraction of a second', async () => {
    const value = 'x'.repeat(600);
    const batches = Array.from({ length: 150 }, (_, batch) =>
      Array.from({ length: 1000 }, (_, i) =>
        entry(`/sensu.io/events/default/host-${String(batch * 1000 + i).padStart(6, '0')}/check-cpu`, value),
      ),
    );
    const before = process.cpuUsage();
    const { keys } = await readContents(view(...batches), context);
    expect(keys).toBe(150_000);
    // Of this process alone, and far above what it takes: a busy machine does not fail it.
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000).toBeLessThan(2000);
  });
});
