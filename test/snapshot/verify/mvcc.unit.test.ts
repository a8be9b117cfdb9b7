import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BboltFile } from '../../../src/etcd-files/bbolt/bbolt.js';
import { checkMvcc, type RecordFinding } from '../../../src/etcd-files/mvcc/mvcc-check.js';
import { openBbolt, openSource } from '../../../src/etcd-files/mvcc/store-file.js';
import { ModelStore } from '../../etcd-files/model.js';
import { revisionBytes, writeStore, type KeyRecord } from '../../support/store-writer.js';
import { found, layerOf, testPath, verifyBytes } from './damaged.js';
import { recordedPath, withTrailer } from './recorded.js';
import { allRun, runs } from '../../support/runs.js';

type Store = Omit<Parameters<typeof writeStore>[1], 'records'> & { records: KeyRecord[] };

/** Revisions 2 to 8: `a` written three times, `b` written, deleted and written again, `c` with a lease, `d` deleted. */
function story(): Store {
  const model = new ModelStore();
  const write = (key: string, lease = 0n): void => {
    model.transact((txn) => {
      txn.put(key, Buffer.from('value'), lease);
    });
  };
  const remove = (key: string): void => {
    model.transact((txn) => {
      txn.delete(key);
    });
  };
  write('a');
  write('b');
  write('a');
  remove('b');
  model.transact((txn) => {
    txn.put('b', Buffer.from('again'), 0n);
    txn.put('c', Buffer.from('leased'), 7n);
    txn.put('d', Buffer.from('short'), 0n);
  });
  remove('d');
  write('a');
  return { records: model.records, leases: [{ id: 7n, ttl: 60n }] };
}

function bytesOf(store: Store): Buffer {
  const path = testPath('made.db');
  writeStore(path, store);
  return withTrailer(readFileSync(path));
}

/** The record of this revision, with something else in it. */
function changed(
  store: Store,
  main: bigint,
  sub: bigint,
  put: Partial<NonNullable<KeyRecord['put']>>,
): Store {
  const records = store.records.map((record) =>
    record.put && record.main === main && record.sub === sub
      ? { ...record, put: { ...record.put, ...put } }
      : record,
  );
  return { ...store, records };
}

function without(store: Store, ...revisions: readonly string[]): Store {
  const kept = ({ main, sub }: KeyRecord): boolean => !revisions.includes(`${main}_${sub}`);
  return { ...store, records: store.records.filter(kept) };
}

function renamed(store: Store, main: bigint, key: string): Store {
  const records = store.records.map((record) =>
    record.main === main ? { ...record, key: Buffer.from(key) } : record,
  );
  return { ...store, records };
}

const compactedTo = (main: bigint): Record<string, Buffer> => ({
  scheduledCompactRev: revisionBytes(main, 0n),
  finishedCompactRev: revisionBytes(main, 0n),
});

describe('the history of keys', () => {
  it.each<readonly [what: string, store: () => Store]>([
    ['as it was written', story],
    ['of an empty store', () => ({ records: [] })],
    // Compaction keeps of each key the newest record that is not its deletion.
    ['compacted', () => ({ ...without(story(), '2_0', '3_0', '5_0'), meta: compactedTo(5n) })],
    [
      'compacted to a deletion that stays',
      () => ({ ...without(story(), '2_0', '3_0'), meta: compactedTo(5n) }),
    ],
    ['while it is compacted', () => ({ ...without(story(), '2_0'), meta: compactedTo(6n) })],
  ])('%s is in order', async (_what, store) => {
    const layer = layerOf(await verifyBytes(bytesOf(store())), 'mvcc');
    expect(layer.findings).toEqual([]);
    expect(layer.status).toBe('ok');
  });

  it.each<readonly [what: string, finding: string, store: () => Store]>([
    ['a revision is missing', '8: follows 6: what lies between is missing', () => without(story(), '7_0')],
    [
      'the first revision is missing',
      '3: follows 1: what lies between is missing',
      () => without(story(), '2_0'),
    ],
    [
      'a write of a transaction is missing',
      '6_2: lacks what its transaction wrote before it',
      () => without(story(), '6_1'),
    ],
    [
      'what compaction must have left is missing',
      '8: is version 3 of a key that has no earlier one',
      () => ({ ...without(story(), '2_0', '3_0', '4_0', '5_0'), meta: compactedTo(5n) }),
    ],
    [
      'a key is deleted that does not live',
      '5: deletes a key that does not live',
      () => renamed(story(), 5n, 'none'),
    ],
    [
      'a key is deleted twice',
      '7: deletes a key that was deleted at 5 already',
      () => without(renamed(story(), 7n, 'b'), '6_0'),
    ],
    [
      'a key lives on after its deletion',
      '6: is version 2 of a key that has no earlier one since its deletion',
      () => changed(story(), 6n, 0n, { version: 2n, createRevision: 3n }),
    ],
    [
      'a version is left out',
      '4: is version 3 of a key and follows version 1',
      () => changed(story(), 4n, 0n, { version: 3n }),
    ],
    [
      'a key is created anew while it lives',
      '4: creates a key at 3 that lives since 2',
      () => changed(story(), 4n, 0n, { createRevision: 3n }),
    ],
    [
      'a record is of another revision',
      '4: says that it is of revision 3',
      () => changed(story(), 4n, 0n, { modRevision: 3n }),
    ],
    [
      'a key is created after it was written',
      '4: says that it is version 2 of a key created at 9',
      () => changed(story(), 4n, 0n, { createRevision: 9n }),
    ],
    [
      'a lease is not there',
      'c: 6: is bound to lease 7, which does not exist: it would never end',
      () => ({
        ...story(),
        leases: [],
      }),
    ],
    [
      'a lease has no time',
      'lease 7 is granted for 0 s',
      () => ({ ...story(), leases: [{ id: 7n, ttl: 0n }] }),
    ],
  ])('is not when %s', async (_what, finding, store) => {
    expect(found(await verifyBytes(bytesOf(store())), 'mvcc')).toContain(finding);
  });

  it('names the record that cannot be decoded, and goes on', async () => {
    const bytes = bytesOf(story()).subarray(0, -32);
    // The first field of each record is the key: its tag made one of a wire type that there is none of.
    const record = bytes.indexOf(Buffer.from('\x0a\x01d\x10', 'latin1'));
    bytes[record] = 0x0f;
    const findings = found(await verifyBytes(withTrailer(bytes)), 'mvcc');
    expect(findings[0]).toBe('6_2: cannot be decoded: the record has a field of the wrong type');
    expect(findings).toContain('7: deletes a key that does not live');
  });

  it('refuses a bucket that etcd does not write', async () => {
    const bytes = bytesOf(story()).subarray(0, -32);
    // Two revisions of the bucket key, which lie one behind the other in its leaf.
    const place = bytes.indexOf(revisionBytes(4n, 0n));
    bytes[place + 8] = 0x2d;
    expect(found(await verifyBytes(withTrailer(bytes)), 'mvcc')[0]).toMatch(/is not keyed by a revision$/);
  });
});

describe('a store with more keys than one pass follows', () => {
  function check(path: string, keysPerPass?: number): unknown {
    const opened = openSource(path);
    const db: BboltFile = openBbolt(opened);
    const findings: RecordFinding[] = [];
    let elements = 0;
    const { root } = db.bucket('key')!;
    for (const leaf of db.leaves(root)) elements += leaf.count;
    const report = (finding: RecordFinding): void => void findings.push(finding);
    const steps = checkMvcc(db, root, 0n, elements, report, keysPerPass);
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    opened.close();
    return { ...step.value, findings: findings.sort((a, b) => Number(a.revision) - Number(b.revision)) };
  }

  it('is judged as in one', () => {
    const path = recordedPath('cluster3-6.12.0');
    const whole = check(path);
    expect(whole).toMatchObject({ records: 887, liveKeys: 768, findings: [] });
    // One key a pass takes longest by far.
    for (const keys of allRun ? [1, 10, 100, 500] : [10, 100, 500]) expect(check(path, keys)).toEqual(whole);
  });

  it('is judged as in one, with faults too', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 8 }),
        fc.bigInt(1n, 9n),
        fc.bigInt(1n, 9n),
        (main, version, created) => {
          const path = testPath('made.db');
          writeStore(path, changed(story(), BigInt(main), 0n, { version, createRevision: created }));
          expect(check(path, 2)).toEqual(check(path));
        },
      ),
      { numRuns: runs(60) },
    );
  });
});
