import type { Context } from '../core/context.js';
import { formatAge } from '../core/duration.js';
import { formatBytes } from '../core/units.js';
import type { Storage } from '../storage/storage.js';
import { readCatalog, type Catalog, type StoredSnapshot } from './catalog.js';

export interface AgeLimits {
  /** Milliseconds. */
  readonly maxAge: number;
  /** Only snapshots count that `snapshot verify` has found to be good. */
  readonly requireVerified: boolean;
}

export interface AgeVerdict {
  readonly state: 'OK' | 'WARNING' | 'CRITICAL';
  readonly sentence: string;
  /** The newest that counts. */
  readonly newest: StoredSnapshot | undefined;
  /** Milliseconds. */
  readonly age: number | undefined;
  /** How many count. */
  readonly count: number;
}

/** Clocks of two hosts that are kept in step differ by less. */
const clockSkewMs = 5 * 60_000;

/**
 * Whether the newest snapshot is young enough. A snapshot that is dated in the future tells nothing of its age, and
 * a damaged one beside good ones is worth a look: both are warnings.
 */
export async function checkAge(context: Context, storage: Storage, limits: AgeLimits): Promise<AgeVerdict> {
  return judgeAge(await readCatalog(context, storage), limits, context.clock.now());
}

export function judgeAge({ snapshots, strays }: Catalog, limits: AgeLimits, now: Date): AgeVerdict {
  const counted = snapshots.filter(({ verifiedAt }) => !limits.requireVerified || verifiedAt !== undefined);
  const past = counted.filter(({ createdAt }) => createdAt.getTime() <= now.getTime() + clockSkewMs);
  const [newest] = past;
  const what = limits.requireVerified ? 'verified snapshot' : 'snapshot';
  const count = counted.length;
  if (newest === undefined) {
    return { state: 'CRITICAL', sentence: `there is no ${what}`, newest, age: undefined, count };
  }
  const age = Math.max(0, now.getTime() - newest.createdAt.getTime());
  const words = `the newest ${what} is ${formatAge(age)} old`;
  const verdict = { newest, age, count };
  if (age > limits.maxAge) {
    return { state: 'CRITICAL', sentence: `${words}, more than ${formatAge(limits.maxAge)}`, ...verdict };
  }
  const damaged = strays.filter((stray) => stray.damaged);
  const faults = [
    ...(past.length < count ? [`${count - past.length} are dated in the future`] : []),
    ...(damaged.length > 0 ? [`damaged: ${damaged.map(({ name }) => name).join(', ')}`] : []),
  ];
  if (faults.length > 0) return { state: 'WARNING', sentence: [words, ...faults].join(', '), ...verdict };
  const { revision, storedSize } = newest;
  return { state: 'OK', sentence: `${words}, revision ${revision}, ${formatBytes(storedSize)}`, ...verdict };
}
