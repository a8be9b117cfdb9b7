import { randomBytes } from 'node:crypto';
import type { Alarms } from '../etcd/facets/maintenance.js';
import type { Members } from '../etcd/facets/cluster.js';
import type { Kv } from '../etcd/facets/kv.js';
import type { BackendCalls } from '../etcd/transport/backend-calls.js';
import type { EtcdClient } from '../etcd/client.js';
import type { Permission } from '../etcd/facets/auth.js';
import { sensuRoot } from '../store/sensu-root.js';
import type { Lease, LeaseId, Revision } from '../store/view.js';
import type { Access } from './checks.js';
import { grantWords } from './etcdctl-words.js';
import { etcdRangeOf, keysOf } from './ranges.js';
import {
  initLockPrefix,
  initLockRange,
  oldInitializedKey,
  rootKey,
  wantedGrants,
  type Profile,
} from './wanted.js';

/** A connection logged in as Sensu's user, and what the tries leave behind until they are over. */
export interface Tries {
  readonly client: EtcdClient;
  readonly calls: BackendCalls;
  readonly profile: Profile;
}

/**
 * What a backend does with etcd, each access tried as itself. Writes go to throwaway keys with random names that
 * no Sensu reads, under a lease that removes them even when this program is killed.
 */
export function* backendAccesses(tries: Tries): Generator<Access> {
  const { client, profile } = tries;
  const [main, readRootKey] = wantedGrants(profile) as [Permission, Permission];
  yield {
    what: 'read the key /sensu.io, as every start does',
    expected: 'allowed',
    grant: readRootKey,
    attempt: () => client.range({ ...keysOf({ key: rootKey })!, limit: 1, keysOnly: true }),
  };
  yield {
    what: 'read the keys under /sensu.io/',
    expected: 'allowed',
    grant: main,
    attempt: () => client.range({ ...sensuRoot, limit: 1, keysOnly: true }),
  };
  yield {
    what: 'watch the keys under /sensu.io/',
    expected: 'allowed',
    grant: main,
    attempt: () => tries.calls.watch(sensuRoot),
  };
  yield* leasedWrites(tries, sensuRoot.start, main);
  yield* clusterReads(client, profile);
  if (profile === 'init') yield* initAccesses(tries);
}

/** Grant, put, renew, ask, delete, revoke: a key's life with a lease, as rings and liveness switches have it. */
function* leasedWrites(tries: Tries, prefix: Buffer, grant: Permission): Generator<Access> {
  const { client } = tries;
  const lease: Lease = { id: randomLeaseId(), ttl: 60n };
  const under = prefix.toString();
  const [deleted, ended] = [throwawayKey(prefix), throwawayKey(prefix)];
  let put: Revision | undefined;
  yield { what: 'grant a lease', expected: 'allowed', attempt: () => client.grantLease(lease) };
  yield {
    what: `put a key with a lease under ${under}`,
    expected: 'allowed',
    grant,
    attempt: async () => {
      const { revision } = await client.txn({
        guards: [absent(deleted), absent(ended)],
        writes: [deleted, ended].map((key) => ({
          type: 'put',
          key,
          value: Buffer.from('sensu-ferry rbac verify'),
          lease: lease.id,
        })),
      });
      put = revision;
    },
  };
  yield { what: 'keep a lease alive', expected: 'allowed', attempt: () => tries.calls.keepAlive(lease.id) };
  yield {
    what: "ask for a lease's time to live",
    expected: 'allowed',
    attempt: () => client.leaseState(lease.id),
  };
  yield {
    what: `delete a key under ${under}, if nobody else has written it`,
    expected: 'allowed',
    grant,
    attempt: () =>
      client.txn({
        guards: [{ key: deleted, modRevision: put ?? absent(deleted).modRevision }],
        writes: [{ type: 'delete', key: deleted }],
      }),
  };
  yield {
    what: `revoke a lease that has a key under ${under}`,
    expected: 'allowed',
    grant,
    attempt: () => client.revokeLease(lease.id),
  };
}

function* clusterReads(client: Members & Alarms, profile: Profile): Generator<Access> {
  yield { what: 'list the members', expected: 'allowed', attempt: () => client.members() };
  yield { what: 'list the alarms', expected: 'allowed', attempt: () => client.alarms() };
  yield {
    what: "ask a member's status, as /version and init do",
    expected: profile === 'init' ? 'allowed' : 'either',
    remedy:
      "No grant helps: this release of etcd answers it to the role root alone, as 3.5.30 and 3.6.6 do. Run 'sensu-backend init' before auth is enabled, or as root, or use 3.5.35, 3.6.16 or newer.",
    note: 'A backend works without it: the lines "error getting etcd cluster version info: permission denied" in its log at each start are harmless.',
    attempt: () => client.status(client.endpoints[0]!),
  };
}

function* initAccesses(tries: Tries): Generator<Access> {
  const { client } = tries;
  const [, , lock, oldKey] = wantedGrants('init') as [Permission, Permission, Permission, Permission];
  yield {
    what: 'read the key .initialized',
    expected: 'allowed',
    grant: oldKey,
    attempt: () => client.range({ ...keysOf({ key: oldInitializedKey })!, limit: 1, keysOnly: true }),
  };
  yield {
    what: 'read and watch the keys under .initialized.lock/',
    expected: 'allowed',
    grant: lock,
    attempt: async () => {
      const range = keysOf(initLockRange)!;
      await client.range({ ...range, limit: 1, keysOnly: true });
      await tries.calls.watch(range);
    },
  };
  yield* leasedWrites(tries, initLockPrefix, lock);
}

/** What the role must not be able to do. Nothing is written, even when etcd would allow it. */
export function* forbiddenAccesses(tries: Tries): Generator<Access> {
  const { client, profile } = tries;
  yield {
    what: 'list users and roles',
    expected: 'refused',
    remedy: 'The user has the role root: etcdctl user revoke-role sensu root',
    attempt: () => client.auth.roles(),
  };
  yield {
    what: 'take a snapshot',
    expected: 'refused',
    remedy: 'The user has the role root: etcdctl user revoke-role sensu root',
    attempt: () => firstOf(client.snapshot(client.endpoints[0]!)),
  };
  yield* foreignKey(client, 'before /sensu.io', Buffer.from('/sensu.i'));
  yield writeAccess(client, 'write the key /sensu.io', rootKey);
  if (profile === 'least') yield* foreignKey(client, 'after those of Sensu', sensuRoot.end);
  if (profile !== 'init') yield writeAccess(client, `write under ${String(initLockPrefix)}`, initLockPrefix);
}

function* foreignKey(client: Kv, where: string, key: Buffer): Generator<Access> {
  const range = keysOf({ key })!;
  yield {
    what: `read a key ${where}`,
    expected: 'refused',
    remedy: tooWide({ access: 'read', ...etcdRangeOf(range) }),
    attempt: () => client.range({ ...range, limit: 1, keysOnly: true }),
  };
  yield writeAccess(client, `write a key ${where}`, key);
}

/**
 * etcd asks for the permissions of a transaction before it looks at the guards: one that never holds tries the
 * write without making it.
 */
function writeAccess(client: Kv, what: string, key: Buffer): Access {
  const never = { key: throwawayKey(sensuRoot.start), modRevision: 0x7fff_ffff_ffff_ffffn as Revision };
  return {
    what,
    expected: 'refused',
    remedy: tooWide({ access: 'write', key }),
    attempt: () => client.txn({ guards: [never], writes: [{ type: 'put', key, value: Buffer.alloc(0) }] }),
  };
}

function tooWide(permission: Permission): string {
  return `A grant is too wide, as it gives ${grantWords(permission)}: 'sensu-ferry rbac plan' shows which, 'rbac apply' takes it back.`;
}

async function firstOf(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _part of stream) return;
}

export function throwawayKey(prefix: Buffer): Buffer {
  return Buffer.concat([prefix, Buffer.from(`sensu-ferry-verify/${randomBytes(16).toString('hex')}`)]);
}

/** The guard of a key that must not exist. */
function absent(key: Buffer): { key: Buffer; modRevision: Revision } {
  return { key, modRevision: 0n as Revision };
}

export function randomLeaseId(): LeaseId {
  return (randomBytes(8).readBigUInt64BE() >> 1n) as LeaseId;
}
