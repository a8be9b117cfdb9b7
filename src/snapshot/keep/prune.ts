import type { Context } from '../../core/context.js';
import type { Storage } from '../../storage/storage.js';
import { readCatalog, type StoredSnapshot, type StrayFile } from './catalog.js';
import { takeLock, whileLocked } from './lock.js';
import { decideRetention, type KeepReason, type RetentionPolicy } from './retention.js';
import { verifiedName } from './side-files.js';

export interface PrunePlan {
  readonly policy: RetentionPolicy;
  readonly keep: readonly KeptSnapshot[];
  /** Oldest first, as they go. */
  readonly remove: readonly StoredSnapshot[];
  /** What a prune that was killed has left beside snapshots that are gone. */
  readonly orphans: readonly string[];
  /** Left alone. */
  readonly strays: readonly StrayFile[];
}

interface KeptSnapshot extends StoredSnapshot {
  readonly reasons: readonly KeepReason[];
}

export interface Pruned {
  readonly removed: readonly StoredSnapshot[];
  readonly kept: number;
}

export async function planPrune(
  context: Context,
  storage: Storage,
  policy: RetentionPolicy,
): Promise<PrunePlan> {
  const { snapshots, orphans, strays } = await readCatalog(context, storage);
  const decided = decideRetention(snapshots, policy, context.clock.now());
  return {
    policy,
    keep: decided.flatMap(({ snapshot, reasons }) => (reasons.length > 0 ? [{ ...snapshot, reasons }] : [])),
    remove: decided.flatMap(({ snapshot, reasons }) => (reasons.length === 0 ? [snapshot] : [])).reverse(),
    orphans,
    strays,
  };
}

/**
 * Removes what the plan says and what is still to be removed now that no other run is at work: a snapshot that was
 * pinned since stays. A snapshot goes before the files beside it. Whenever this ends, those that are left have
 * their marks, and marks without a snapshot go with the next prune.
 * @throws FerryError LOCKED
 */
export async function applyPrune(context: Context, storage: Storage, plan: PrunePlan): Promise<Pruned> {
  if (plan.remove.length + plan.orphans.length === 0) return { removed: [], kept: plan.keep.length };
  return whileLocked(context, await takeLock(context, storage), async (locked) => {
    const now = await planPrune(locked, storage, plan.policy);
    const planned = new Set(plan.remove.map(({ name }) => name));
    const removed = now.remove.filter(({ name }) => planned.has(name));
    for (const orphan of now.orphans) await storage.remove(orphan, locked.signal);
    for (const { name } of removed) {
      await storage.remove(name, locked.signal);
      await storage.remove(verifiedName(name), locked.signal);
    }
    return { removed, kept: now.keep.length + now.remove.length - removed.length };
  });
}
