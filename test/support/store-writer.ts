import { BboltWriter } from '../etcd-files/bbolt-writer.js';
import type { Pair } from '../etcd-files/bbolt-writer.js';
import { ProtoWriter } from '../../src/protobuf/proto-writer.js';

/** One revision of a key, as the bucket `key` holds it. */
export interface KeyRecord {
  readonly main: bigint;
  readonly sub: bigint;
  readonly key: Buffer;
  /** Undefined for a deletion. */
  readonly put?: {
    readonly value: Buffer;
    readonly createRevision: bigint;
    /** Default: the main revision, as etcd has it. */
    readonly modRevision?: bigint;
    readonly version: bigint;
    readonly lease: bigint;
  };
}

export interface StoreToWrite {
  /** In order of main and sub revision. */
  readonly records: Iterable<KeyRecord>;
  readonly leases?: readonly { readonly id: bigint; readonly ttl: bigint }[];
  readonly meta?: Readonly<Record<string, Buffer>>;
  readonly voters?: readonly bigint[];
  readonly pageSize?: number;
  readonly fill?: number;
}

/** Writes a store as etcd 3.5 lays it out. */
export function writeStore(path: string, store: StoreToWrite): void {
  const meta = { ...store.meta };
  if (store.voters) {
    meta['confState'] = Buffer.from(`{"voters":[${store.voters.join(',')}],"auto_leave":false}`);
  }
  const leases: Pair[] = (store.leases ?? []).map(({ id, ttl }) => [
    uint64(id),
    new ProtoWriter().number(1, id).number(2, ttl).finish(),
  ]);
  new BboltWriter(path, store.pageSize, store.fill)
    .inlineBucket('alarm', [])
    .bucket('key', pairs(store.records))
    .bucket('lease', sorted(leases))
    .inlineBucket('meta', sorted(Object.entries(meta).map(([name, value]) => [Buffer.from(name), value])))
    .finish();
}

export function uint64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, value));
  return bytes;
}

export function revisionBytes(main: bigint, sub: bigint): Buffer {
  return Buffer.concat([uint64(main), Buffer.from('_'), uint64(sub)]);
}

function sorted(list: readonly Pair[]): Pair[] {
  return [...list].sort(([a], [b]) => Buffer.compare(a, b));
}

function* pairs(records: Iterable<KeyRecord>): Generator<Pair> {
  for (const { main, sub, key, put } of records) {
    const revision = revisionBytes(main, sub);
    const message = new ProtoWriter().bytes(1, key);
    if (!put) yield [Buffer.concat([revision, Buffer.from('t')]), message.finish()];
    else {
      message
        .number(2, put.createRevision)
        .number(3, put.modRevision ?? main)
        .number(4, put.version);
      yield [revision, message.bytes(5, put.value).number(6, put.lease).finish()];
    }
  }
}
