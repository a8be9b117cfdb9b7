import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { formatId } from '../../../src/core/units.js';
import type { EtcdClient } from '../../../src/etcd/client.js';
import { sensuRoot } from '../../../src/store/sensu-root.js';

/** What is true of a recorded store, as far as a logical copy keeps it. */
export interface Truth {
  readonly keys: readonly {
    readonly key: string;
    /** Hexadecimal. */
    readonly lease: string | null;
    readonly value_sha256: string;
    readonly value_bytes: number;
  }[];
  readonly leases: readonly {
    /** Hexadecimal. */
    readonly id: string;
    readonly grantedTTL: number;
    readonly keys: readonly string[];
  }[];
}

const fixture = (name: string, file: string): string =>
  new URL(`../../../fixtures/${name}/${file}`, import.meta.url).pathname;

export const snapshotOf = (name: string): string => fixture(name, 'snapshot.db');

export const truthOf = (name: string): Truth =>
  JSON.parse(readFileSync(fixture(name, 'truth.json'), 'utf8')) as Truth;

/** Compares every key, value hash, lease, TTL and tie of a live etcd with the truth. */
export async function expectTruth(client: EtcdClient, truth: Truth): Promise<void> {
  const { entries } = await client.range(sensuRoot);
  const keys = entries.map(({ key, value, lease }) => ({
    key: key.toString(),
    lease: lease === undefined ? null : formatId(lease),
    value_sha256: createHash('sha256').update(value).digest('hex'),
    value_bytes: value.length,
  }));
  const wanted = truth.keys.map(({ key, lease, value_sha256, value_bytes }) => ({
    key,
    lease,
    value_sha256,
    value_bytes,
  }));
  expect(keys).toEqual(wanted.sort(byName(({ key }) => key)));
  expect(await leasesOf(client)).toEqual(
    truth.leases
      .map(({ id, grantedTTL, keys: held }) => ({ id, grantedTTL, keys: [...held].sort() }))
      .sort(byName(({ id }) => id)),
  );
}

async function leasesOf(client: EtcdClient): Promise<Truth['leases']> {
  const states = await Promise.all((await client.leaseIds()).map((id) => client.leaseState(id)));
  return states
    .map((state) => ({
      id: formatId(state!.id),
      grantedTTL: Number(state!.ttl),
      keys: state!.keys.map(String).sort(),
    }))
    .sort(byName(({ id }) => id));
}

function byName<T>(name: (item: T) => string): (a: T, b: T) => number {
  return (a, b) => (name(a) < name(b) ? -1 : 1);
}
