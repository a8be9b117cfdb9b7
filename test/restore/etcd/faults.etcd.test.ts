import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { Context } from '../../../src/core/context.js';
import type { EtcdClient } from '../../../src/etcd/client.js';
import { planLoad } from '../../../src/copy/load-plan.js';
import { applyRestoreEtcd, type RestoreResult } from '../../../src/restore/etcd/restore-etcd.js';
import { sensuRoot } from '../../../src/store/sensu-root.js';
import type { StoreView } from '../../../src/store/view.js';
import { enableAuth, oldestAndNewestEtcd, startEtcd, type RunningEtcd } from '../../support/etcd.js';
import { leaseId, memoryView, type Wanted } from '../../support/memory-etcd.js';
import { silentContext } from '../../support/silent-context.js';

const run = promisify(execFile);

/** Ends etcd hard and starts it again on its data. */
async function restart(etcd: RunningEtcd, flags: readonly string[] = []): Promise<void> {
  const [member] = etcd.members;
  await member!.kill();
  await member!.launch(flags);
  await member!.waitUntilReady();
}

const start = (version?: string, flags: readonly string[] = []): Promise<RunningEtcd> =>
  startEtcd({ ...(version !== undefined && { version }), flags, until: 'test' });

async function restore(
  client: EtcdClient,
  source: StoreView,
  context: Context = silentContext(),
): Promise<RestoreResult> {
  return applyRestoreEtcd(context, client, source, await planLoad(context, client, source));
}

function store(keys: number, valueBytes = 200, batchSize = 1000): StoreView {
  const wanted = Array.from({ length: keys }, (_, i): Wanted => ({
    key: `/sensu.io/events/default/${String(i).padStart(6, '0')}`,
    value: Buffer.alloc(valueBytes, i),
    ...(i % 100 === 7 && { lease: BigInt(1 + (i % 3)) }),
  }));
  const leases = [1n, 2n, 3n].map((id) => [id, 10n * id] as const);
  return memoryView(wanted, leases, 100n, batchSize);
}

/** The source, with something done before each of its batches. */
function interrupted(source: StoreView, before: (batch: number) => void | Promise<void>): StoreView {
  return {
    ...source,
    async *entries(range) {
      let batch = 0;
      for await (const entries of source.entries(range)) {
        await before(batch++);
        yield entries;
      }
    },
  };
}

describe('an interrupted restore', () => {
  it('ends with the reason of the signal, and goes on from there the next time', async () => {
    const etcd = await start();
    const source = store(20_000);
    const abort = new AbortController();
    const context = silentContext(abort.signal);
    const client = await etcd.connect({ signal: abort.signal });
    const plan = await planLoad(context, client, source);
    const reason = new Error('Stopped by SIGINT.');
    const cut = interrupted(source, (batch) => {
      if (batch === 10) abort.abort(reason);
    });
    await expect(applyRestoreEtcd(context, client, cut, plan)).rejects.toBe(reason);

    const second = await etcd.connect();
    const { count } = await second.range({ ...sensuRoot, countOnly: true });
    expect(count).toBeGreaterThan(0n);
    expect(count).toBeLessThan(20_000n);
    const { load, verified } = await restore(second, source);
    expect(load.written).toBe(20_000 - Number(count));
    expect(verified.target).toMatchObject({ lastingKeys: 19_800, ephemeralKeys: 200 });
  });

  it('waits for a member that is away for a while', async () => {
    const etcd = await start();
    const client = await etcd.connect();
    let restarted = Promise.resolve();
    const source = interrupted(store(20_000), (batch) => {
      if (batch === 5) restarted = restart(etcd);
    });
    const plan = await planLoad(silentContext(), client, store(20_000));
    const { load } = await applyRestoreEtcd(silentContext(), client, source, plan);
    await restarted;
    expect(load.written).toBe(20_000);
  });
});

describe('limits of the target', () => {
  it.each(oldestAndNewestEtcd)('etcd %s takes values of every size up to its own limit', async (version) => {
    const etcd = await start(version);
    const client = await etcd.connect();
    const sizes = [0, 1, 500_000, 600_000, 1_048_000, 1_048_576, 1_500_000, 1_572_864 - 90];
    const source = memoryView(
      sizes.map((size) => ({
        key: `/sensu.io/${String(size).padStart(7, '0')}`,
        value: Buffer.alloc(size, 7),
      })),
    );
    const { load } = await restore(client, source);
    expect(load.written).toBe(sizes.length);
  });

  // The size that the first of several needs would be too little for the next.
  it('names the largest value where one is too large, and writes nothing', async () => {
    const etcd = await start();
    const client = await etcd.connect();
    const source = memoryView([
      { key: '/sensu.io/assets/default/large', value: Buffer.alloc(1_600_000) },
      { key: '/sensu.io/assets/default/larger', value: Buffer.alloc(1_700_000) },
    ]);
    await expect(restore(client, source)).rejects.toMatchObject({
      kind: 'refused',
      code: 'VALUE_TOO_LARGE',
      message: expect.stringContaining('/sensu.io/assets/default/larger') as string,
      hint: expect.stringContaining('--max-request-bytes 1701888') as string,
    });
    expect((await client.range({ ...sensuRoot, countOnly: true })).count).toBe(0n);
    await restart(etcd, ['--max-request-bytes=4000000']);
    await restore(client, source);
    expect((await client.range({ ...sensuRoot, countOnly: true })).count).toBe(2n);
  });

  it('splits for a lower --max-txn-ops', async () => {
    const etcd = await start(undefined, ['--max-txn-ops=20']);
    const client = await etcd.connect();
    expect((await restore(client, store(1000))).load.written).toBe(1000);
  });

  it.each(oldestAndNewestEtcd)(
    'etcd %s, full to its quota half way, goes on once there is room',
    async (version) => {
      const etcd = await start(version, ['--quota-backend-bytes=6000000']);
      const client = await etcd.connect();
      // Slowly: etcd looks at the size of its file, which grows only every 100 ms.
      const source = store(2000, 8000, 100);
      const slow = interrupted(source, () => sleep(150));
      await expect(restore(client, slow)).rejects.toMatchObject({
        kind: 'refused',
        code: 'ETCD_NO_SPACE',
        hint: expect.stringContaining('alarm disarm') as string,
      });
      await expect(restore(client, source)).rejects.toMatchObject({ kind: 'refused', code: 'TARGET_ALARM' });

      await restart(etcd, ['--quota-backend-bytes=100000000']);
      await run(etcd.binaries.etcdctl, ['--endpoints', etcd.endpoint, 'alarm', 'disarm'], {
        env: { ETCDCTL_API: '3' },
      });
      const { load, verified } = await restore(client, source);
      expect(load.written).toBeLessThan(2000);
      expect(verified.target).toMatchObject({ lastingKeys: 1980, ephemeralKeys: 20 });
    },
  );

  it('keeps the keys of a lease whose TTL the target raises', async () => {
    // Six seconds is what one and a half election time-outs of four seconds come to.
    const etcd = await start(undefined, ['--heartbeat-interval=400', '--election-timeout=4000']);
    const client = await etcd.connect();
    const source = memoryView([{ key: '/sensu.io/rings/a', lease: 9n }], [[9n, 2n]]);
    const result = await restore(client, source);
    expect(result).toMatchObject({ raisedLeases: 1, firstLeaseEndsAfter: 6n });
  });
});

describe('with auth', () => {
  it('goes on with a new session when the token ends on the way', async () => {
    const etcd = await start(undefined, ['--auth-token=simple', '--auth-token-ttl=1']);
    const client = await etcd.connect({ credentials: await enableAuth(etcd) });
    const source = store(3000);
    const plan = await planLoad(silentContext(), client, source);
    const slow = interrupted(source, (batch) => (batch === 1 ? sleep(3000) : undefined));
    const { load } = await applyRestoreEtcd(silentContext(), client, slow, plan);
    expect(load.written).toBe(3000);
  });

  it.each(oldestAndNewestEtcd)('etcd %s forgets the token in a restart on the way', async (version) => {
    const etcd = await start(version);
    const client = await etcd.connect({ credentials: await enableAuth(etcd) });
    const source = store(3000);
    const plan = await planLoad(silentContext(), client, source);
    const cut = interrupted(source, (batch) => (batch === 1 ? restart(etcd) : undefined));
    const { load } = await applyRestoreEtcd(silentContext(), client, cut, plan);
    expect(load.written).toBe(3000);
  });

  it.each(oldestAndNewestEtcd)(
    'etcd %s lets a user restore who may use the Sensu root alone',
    async (version) => {
      const etcd = await start(version);
      const root = await etcd.connect({ credentials: await enableAuth(etcd) });
      await root.auth.addUser('sensu', 'sensu-password');
      await root.auth.addRole('sensu');
      await root.auth.grantPermission('sensu', {
        access: 'readwrite',
        key: sensuRoot.start,
        end: sensuRoot.end,
      });
      await root.auth.grantRole('sensu', 'sensu');
      // 3.5.30 then refuses to list leases to others.
      await root.grantLease({ id: leaseId(77n), ttl: 600n });
      await root.txn({
        writes: [{ type: 'put', key: Buffer.from('/other'), value: Buffer.from('x'), lease: leaseId(77n) }],
      });
      const client = await etcd.connect({ credentials: { username: 'sensu', password: 'sensu-password' } });
      const { verified } = await restore(client, store(300));
      expect(verified.target.ephemeralKeys).toBe(3);
    },
  );
});
