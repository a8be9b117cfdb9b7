import type { Context } from '../core/context.js';
import { FerryError } from '../core/errors.js';
import { formatCounted } from '../core/units.js';
import type { LeaseReader } from '../etcd/facets/leases.js';
import type { KvReader } from '../etcd/facets/kv.js';
import { Digester, sameContent, type ContentDigest } from '../store/digest.js';
import type { Lease, LeaseId, Revision, StoreEntry, StoreView } from '../store/view.js';
import { readAlongside } from './alongside.js';
import { isThere } from './load-plan.js';
import type { KeyPair } from '../store/merge-by-key.js';
import { showKeys } from '../sensu/keys/key-name.js';
import { leasesById, wholeStore, type Part } from './part.js';
import { readLeases, type LeaseOutcome } from './target-leases.js';

export interface VerifyOptions {
  /** Default: everything under the Sensu root. */
  readonly part?: Part;
  /** Revision of the target to compare; default its newest. Must not be compacted. */
  readonly revision?: Revision;
  /** What the target made of the leases: a TTL that it had to raise is not held against it. */
  readonly leases?: readonly LeaseOutcome[];
  /** How many keys to expect, for the progress. */
  readonly keys?: number;
}

/** Both stores' digests, which are equal, and where the target was read. */
export interface VerifiedCopy {
  readonly source: ContentDigest;
  readonly target: ContentDigest;
  /** Of the target. */
  readonly revision: Revision;
  readonly milliseconds: number;
}

/**
 * Proves a copy: reads source and target in full and compares their content digests, keys, values, ties to
 * leases and granted TTLs.
 * @throws FerryError CONTENT_DIFFERS (`integrity`), naming the first keys
 */
export async function verifyCopy(
  context: Context,
  client: KvReader & LeaseReader,
  source: StoreView,
  options: VerifyOptions = {},
): Promise<VerifiedCopy> {
  const startedAt = performance.now();
  const { part = wholeStore, keys } = options;
  const revision = options.revision ?? (await client.range({ ...part.range, countOnly: true })).revision;
  const sourceLeases = await leasesById(source);
  const sourceDigest = new Digester(ttlsOf(sourceLeases));
  const targetDigest = new Digester(await targetTtls(client, sourceLeases, options.leases));
  const differing = new Differing();
  let done = 0;
  const reading = { source, client, part, revision, signal: context.signal };
  for await (const pairs of readAlongside(reading)) {
    for (const pair of pairs) {
      if (pair.left !== undefined) sourceDigest.add(pair.left);
      if (pair.right !== undefined) targetDigest.add(pair.right);
      if (pair.left === undefined || !isThere(pair.left, pair.right, sourceLeases)) differing.add(pair);
    }
    done += pairs.length;
    context.report.progress({
      task: 'Verifying',
      unit: 'keys',
      done,
      ...(keys !== undefined && { total: keys }),
    });
  }
  const digests = { source: sourceDigest.finish(), target: targetDigest.finish() };
  differing.refuse(digests);
  return { ...digests, revision, milliseconds: performance.now() - startedAt };
}

function ttlsOf(leases: ReadonlyMap<LeaseId, { readonly ttl: bigint }>): ReadonlyMap<LeaseId, bigint> {
  return new Map([...leases].map(([id, { ttl }]) => [id, ttl]));
}

/**
 * Granted TTLs as the target says them now; a raised one is replaced by what was asked for. Leases of other
 * programs are not asked for: a user who may only write Sensu's keys may not see what is bound to them.
 */
async function targetTtls(
  client: LeaseReader,
  sourceLeases: ReadonlyMap<LeaseId, Lease>,
  outcomes: readonly LeaseOutcome[] | undefined,
): Promise<ReadonlyMap<LeaseId, bigint>> {
  const ids = outcomes?.map(({ wanted }) => wanted.id) ?? sourceLeases.keys();
  const ttls = new Map(ttlsOf(await readLeases(client, ids)));
  for (const { wanted, ttl } of outcomes ?? []) {
    if (ttls.get(wanted.id) === ttl) ttls.set(wanted.id, wanted.ttl);
  }
  return ttls;
}

class Differing {
  readonly #missing: Buffer[] = [];
  readonly #extra: Buffer[] = [];
  readonly #changed: Buffer[] = [];
  #count = 0;

  add({ key, left, right }: KeyPair<StoreEntry, StoreEntry>): void {
    this.#count += 1;
    const list = right === undefined ? this.#missing : left === undefined ? this.#extra : this.#changed;
    if (list.length < 3) list.push(key);
  }

  refuse(digests: Pick<VerifiedCopy, 'source' | 'target'>): void {
    if (this.#count === 0 && sameContent(digests.source, digests.target)) return;
    const parts = [
      this.#missing.length > 0 ? `missing ${showKeys(this.#missing)}` : '',
      this.#extra.length > 0 ? `not of the source ${showKeys(this.#extra)}` : '',
      this.#changed.length > 0 ? `with another value or lease ${showKeys(this.#changed)}` : '',
    ].filter((words) => words !== '');
    const what =
      parts.length > 0
        ? `${formatCounted(this.#count, 'key differs', 'keys differ')}: ${parts.join('; ')}`
        : 'TTLs of leases differ';
    throw new FerryError({
      kind: 'integrity',
      code: 'CONTENT_DIFFERS',
      message: `The target does not hold what the source holds: ${what}.`,
      hint: 'Make sure that nothing else writes to the target, and run this again; do not start a backend on it as it is.',
    });
  }
}
