import type { Context } from '../../core/context.js';
import { formatAge } from '../../core/duration.js';
import { formatBytes } from '../../core/units.js';
import type { Storage } from '../../storage/storage.js';
import { readCatalog, type Catalog, type StoredSnapshot, type StrayFile } from './catalog.js';

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
 * one that is damaged or cannot be read is worth a look beside good ones: these are warnings.
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
  const faults = faultsOf(strays, count - past.length);
  if (newest === undefined) {
    const sentence = [`there is no ${what}`, ...faults].join(', ');
    return { state: 'CRITICAL', sentence, newest, age: undefined, count };
  }
  const age = Math.max(0, now.getTime() - newest.createdAt.getTime());
  const words = `the newest ${what} is ${formatAge(age)} old`;
  const verdict = { newest, age, count };
  if (age > limits.maxAge) {
    const sentence = [words, `more than ${formatAge(limits.maxAge)}`, ...faults].join(', ');
    return { state: 'CRITICAL', sentence, ...verdict };
  }
  if (faults.length > 0) return { state: 'WARNING', sentence: [words, ...faults].join(', '), ...verdict };
  const { revision, storedSize } = newest;
  return { state: 'OK', sentence: `${words}, revision ${revision}, ${formatBytes(storedSize)}`, ...verdict };
}

function faultsOf(strays: readonly StrayFile[], inFuture: number): readonly string[] {
  return [
    ...(inFuture > 0 ? [`${inFuture} dated in the future`] : []),
    ...(['damaged', 'unreadable'] as const).flatMap((kind) => named(kind, strays)),
  ];
}

/** One line for a pager: the first few are named. */
const mostNamed = 3;

function named(kind: StrayFile['kind'], strays: readonly StrayFile[]): readonly string[] {
  const names = strays.filter((stray) => stray.kind === kind).map(({ name }) => name);
  if (names.length === 0) return [];
  const more = names.length > mostNamed ? ` and ${names.length - mostNamed} more` : '';
  return [`${kind}: ${names.slice(0, mostNamed).join(', ')}${more}`];
}
