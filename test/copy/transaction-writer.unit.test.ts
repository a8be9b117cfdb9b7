import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Kv, TxnRequest, TxnResult } from '../../src/etcd/facets/kv.js';
import { TransactionWriter } from '../../src/copy/transaction-writer.js';
import type { Revision } from '../../src/store/view.js';
import { failure, MemoryEtcd } from '../support/memory-etcd.js';

/** Answers late, and remembers how much was ever under way at once. */
class SlowEtcd extends MemoryEtcd {
  mostTransactions = 0;
  mostBytes = 0;
  #transactions = 0;
  #bytes = 0;

  override async txn(request: TxnRequest): Promise<TxnResult> {
    const bytes = request.writes.reduce(
      (sum, write) => sum + (write.type === 'put' ? write.value.length : 0),
      0,
    );
    this.#transactions += 1;
    this.#bytes += bytes;
    this.mostTransactions = Math.max(this.mostTransactions, this.#transactions);
    this.mostBytes = Math.max(this.mostBytes, this.#bytes);
    await sleep(50);
    this.#transactions -= 1;
    this.#bytes -= bytes;
    return super.txn(request);
  }
}

const put = (n: number, bytes: number): TxnRequest['writes'][number] => ({
  type: 'put',
  key: Buffer.from(`/sensu.io/${n}`),
  value: Buffer.alloc(bytes),
});

function writerTo(client: Kv, signal = new AbortController().signal): TransactionWriter {
  return new TransactionWriter(client, { signal });
}

describe('transaction writer', () => {
  it('has many transactions under way, and no more than its bounds', async () => {
    const etcd = new SlowEtcd();
    const writer = writerTo(etcd);
    for (let n = 0; n < 10_000; n += 1) await writer.write(put(n, 20));
    await writer.drain();
    expect(etcd.keys.size).toBe(10_000);
    expect(etcd.mostTransactions).toBe(16);
  });

  it('holds no more than a few MiB, however large the values', async () => {
    const etcd = new SlowEtcd();
    const writer = writerTo(etcd);
    for (let n = 0; n < 40; n += 1) await writer.write(put(n, 900_000));
    await writer.drain();
    expect(etcd.keys.size).toBe(40);
    expect(etcd.mostBytes).toBeGreaterThan(2_000_000);
    expect(etcd.mostBytes).toBeLessThanOrEqual(4 * 1024 * 1024);
  });

  it('takes a key again after it was drained', async () => {
    const etcd = new MemoryEtcd();
    const writer = writerTo(etcd);
    await writer.write(put(1, 1));
    await writer.drain();
    await writer.write(put(1, 2));
    await writer.drain();
    expect(etcd.keys.get('/sensu.io/1')?.value.length).toBe(2);
    expect(writer.written).toBe(2);
  });

  it('throws the first failure to whoever writes on, and sends nothing more', async () => {
    const etcd = new SlowEtcd();
    etcd.beforeTxn = () => {
      throw failure('refused', 'ETCD_NO_SPACE');
    };
    const writer = writerTo(etcd);
    const writeMany = async (): Promise<void> => {
      for (let n = 0; n < 100_000; n += 1) await writer.write(put(n, 20));
    };
    await expect(writeMany()).rejects.toMatchObject({ code: 'ETCD_NO_SPACE' });
    await writer.settle();
    await expect(writer.drain()).rejects.toMatchObject({ code: 'ETCD_NO_SPACE' });
    expect(etcd.keys.size).toBe(0);
    expect(etcd.mostTransactions).toBeLessThanOrEqual(16);
  });

  it('stops at once with the reason of the signal', async () => {
    const abort = new AbortController();
    const etcd = new MemoryEtcd();
    const reason = new Error('Stopped by SIGTERM.');
    let transactions = 0;
    etcd.beforeTxn = () => {
      if (++transactions === 3) abort.abort(reason);
      if (transactions >= 3) throw failure('unreachable', 'ETCD_UNREACHABLE');
    };
    const writer = writerTo(etcd, abort.signal);
    const writeMany = async (): Promise<void> => {
      for (let n = 0; n < 100_000; n += 1) await writer.write(put(n, 20));
      await writer.drain();
    };
    await expect(writeMany()).rejects.toBe(reason);
    await writer.settle();
    expect(etcd.keys.size).toBe(256);
  });

  it('guards writes in key order with one comparison, and names what is in the way', async () => {
    const etcd = new MemoryEtcd();
    const writer = writerTo(etcd);
    for (const n of [1, 2, 3]) await writer.write(put(n, 1), 'vacant');
    await writer.drain();
    expect(etcd.transactions.map(({ guards }) => guards)).toEqual([
      [{ key: put(1, 1).key, end: Buffer.from('/sensu.io/3\0'), modRevision: 0n }],
    ]);
    etcd.put('/sensu.io/5', 'theirs');
    for (const n of [4, 5, 6]) await writer.write(put(n, 1), 'vacant');
    await expect(writer.drain()).rejects.toMatchObject({ code: 'TARGET_CHANGED', kind: 'refused' });
    expect(etcd.keys.size).toBe(4);
  });

  it('gives up on a write that the key has outgrown', async () => {
    const etcd = new MemoryEtcd();
    etcd.put('/sensu.io/1', 'theirs');
    const writer = writerTo(etcd);
    await writer.write(put(1, 1), 1n as Revision);
    await expect(writer.drain()).rejects.toMatchObject({ code: 'TARGET_CHANGED', kind: 'refused' });
  });
});
