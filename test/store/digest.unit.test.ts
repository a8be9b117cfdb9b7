import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { digestView, sameContent } from '../../src/store/digest.js';
import type { Lease, LeaseId, Revision, StoreEntry, StoreView } from '../../src/store/view.js';

const lease = (id: bigint, ttl: bigint): Lease => ({ id: id as LeaseId, ttl });

function entry(key: string, value: Buffer | string, leaseId?: bigint, revision = 1n): StoreEntry {
  return {
    key: Buffer.from(key),
    value: Buffer.from(value),
    createRevision: revision as Revision,
    modRevision: revision as Revision,
    version: 1n,
    lease: leaseId as LeaseId | undefined,
  };
}

function view(entries: readonly StoreEntry[], leases: readonly Lease[] = []): StoreView {
  return {
    revision: 9n as Revision,
    leases: () => Promise.resolve(leases),
    // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous
    async *entries() {
      yield entries;
    },
  };
}

function framed(key: string, value: Buffer, ttl: bigint): Buffer {
  const frame = Buffer.alloc(4 + key.length + 4 + value.length + 8);
  frame.writeUInt32BE(key.length, 0);
  frame.write(key, 4);
  frame.writeUInt32BE(value.length, 4 + key.length);
  value.copy(frame, 8 + key.length);
  frame.writeBigUInt64BE(ttl, 8 + key.length + value.length);
  return frame;
}

const sha256 = (...parts: Buffer[]): string =>
  createHash('sha256').update(Buffer.concat(parts)).digest('hex');

describe('content digest', () => {
  it('has the documented form, with values larger than its buffer and empty ones', async () => {
    const large = Buffer.alloc(600_000, 7);
    const digest = await digestView(
      view(
        [entry('/sensu.io/a', large), entry('/sensu.io/b', ''), entry('/sensu.io/c', 'x', 5n)],
        [lease(5n, 60n)],
      ),
    );
    expect(digest.lasting).toBe(
      sha256(framed('/sensu.io/a', large, 0n), framed('/sensu.io/b', Buffer.alloc(0), 0n)),
    );
    expect(digest.ephemeral).toBe(sha256(framed('/sensu.io/c', Buffer.from('x'), 60n)));
    expect(digest).toMatchObject({ lastingKeys: 2, ephemeralKeys: 1, bytes: 600_034 });
  });

  it('does not depend on revisions and lease ids, but on TTLs', async () => {
    const original = await digestView(view([entry('/sensu.io/a', '1', 5n, 3n)], [lease(5n, 60n)]));
    const copied = await digestView(view([entry('/sensu.io/a', '1', 8n, 4n)], [lease(8n, 60n)]));
    const shortened = await digestView(view([entry('/sensu.io/a', '1', 8n)], [lease(8n, 59n)]));
    expect(sameContent(original, copied)).toBe(true);
    expect(sameContent(original, shortened)).toBe(false);
  });

  it('tells a moved boundary between key and value apart', async () => {
    const one = await digestView(view([entry('/sensu.io/ab', 'c')]));
    const other = await digestView(view([entry('/sensu.io/a', 'bc')]));
    expect(sameContent(one, other)).toBe(false);
  });

  it('counts a key whose lease the store does not know as lasting', async () => {
    expect(await digestView(view([entry('/sensu.io/a', '1', 5n)]))).toMatchObject({ lastingKeys: 1 });
  });
});
