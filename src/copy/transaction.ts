import { setTimeout as sleep } from 'node:timers/promises';
import { FerryError } from '../core/errors.js';
import { formatBytes } from '../core/units.js';
import type { Guard, Kv, KvReader, WriteOperation } from '../etcd/facets/kv.js';
import type { Revision, StoreEntry } from '../store/view.js';
import { showKey, showKeys } from '../sensu/keys/key-name.js';

/**
 * The revision that the key must have, 0n for none. `vacant`: nor may anything lie between it and the vacant
 * writes beside it, which come in key order. One comparison then does for all of them: to compare every key
 * would cost etcd half as much again as to put it.
 */
export type WriteGuard = Guard['modRevision'] | 'vacant';

export interface GuardedWrite {
  readonly operation: WriteOperation;
  /** Undefined to write whatever is there. */
  readonly guard: WriteGuard | undefined;
}

/** How long a cluster may be without an answer, as during an election, before the work is given up. */
const patienceMs = 30_000;

/**
 * Commits one transaction, or makes sure that an earlier try of it did. Sending it again is safe: with a
 * guard it can be applied once only, and without one it writes the same values again.
 */
export async function settleTransaction(
  client: Kv,
  writes: readonly GuardedWrite[],
  signal: AbortSignal,
): Promise<void> {
  const giveUpAt = performance.now() + patienceMs;
  for (let pause = 100; ; pause = Math.min(pause * 2, 1000)) {
    try {
      await tryTransaction(client, writes, signal);
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (!passesByItself(error) || performance.now() + pause > giveUpAt) throw error;
      await sleep(pause);
      signal.throwIfAborted();
    }
  }
}

async function tryTransaction(
  client: Kv,
  writes: readonly GuardedWrite[],
  signal: AbortSignal,
): Promise<void> {
  try {
    if (writes.length === 0) return;
    const result = await client.txn({
      guards: guardsOf(writes),
      writes: writes.map(({ operation }) => operation),
    });
    if (result.succeeded) return;
    if (writes.some(isVacant)) await tryTransaction(client, writes.map(guardedAlone), signal);
    else await settleTransaction(client, await unsettled(client, writes), signal);
  } catch (error) {
    if (!isTooLarge(error) && !hasTooManyOperations(error)) throw error;
    await splitTransaction(client, writes, signal, error);
  }
}

const noRevision = 0n as Revision;

const isVacant = ({ guard }: GuardedWrite): boolean => guard === 'vacant';

/** What is in the way is told key by key; or nothing is, as after an answer that was lost. */
function guardedAlone(write: GuardedWrite): GuardedWrite {
  return isVacant(write) ? { ...write, guard: noRevision } : write;
}

function guardsOf(writes: readonly GuardedWrite[]): readonly Guard[] {
  const guards = writes.flatMap<Guard>(({ operation, guard }) =>
    guard === undefined || guard === 'vacant' ? [] : [{ key: operation.key, modRevision: guard }],
  );
  const vacant = writes.filter(isVacant);
  const first = vacant[0]?.operation.key;
  if (first !== undefined) {
    guards.push({ key: first, end: after(vacant.at(-1)!.operation.key), modRevision: noRevision });
  }
  return guards;
}

/** The target's `--max-request-bytes` or `--max-txn-ops` may be lower than etcd's default. */
async function splitTransaction(
  client: Kv,
  writes: readonly GuardedWrite[],
  signal: AbortSignal,
  error: unknown,
): Promise<void> {
  if (writes.length === 1) {
    await writeUnguarded(client, writes[0]!, signal, error);
    return;
  }
  const half = Math.ceil(writes.length / 2);
  await settleTransaction(client, writes.slice(0, half), signal);
  await settleTransaction(client, writes.slice(half), signal);
}

/**
 * The guard repeats the key, so that a value which just fitted on the source may not fit with it. The check
 * then comes before the write instead of with it.
 */
async function writeUnguarded(
  client: Kv,
  write: GuardedWrite,
  signal: AbortSignal,
  error: unknown,
): Promise<void> {
  const { operation, guard } = write;
  if (!isTooLarge(error)) throw error;
  if (guard === undefined) throw tooLarge(operation, error);
  const { entries } = await client.range({ start: operation.key, end: after(operation.key), keysOnly: true });
  if ((entries[0]?.modRevision ?? noRevision) !== (guard === 'vacant' ? noRevision : guard)) {
    await settleTransaction(client, await unsettled(client, [write]), signal);
    return;
  }
  try {
    await client.txn({ writes: [operation] });
  } catch (unguardedError) {
    throw isTooLarge(unguardedError) ? tooLarge(operation, unguardedError) : unguardedError;
  }
}

/**
 * What is left to write after a guard has failed. That is no conflict when the first answer was lost and all is
 * written, nor when a lease has ended on the target and taken its key along.
 */
async function unsettled(client: KvReader, writes: readonly GuardedWrite[]): Promise<GuardedWrite[]> {
  const left: GuardedWrite[] = [];
  const conflicts: Buffer[] = [];
  for (const { operation, guard } of writes) {
    const { entries } = await client.range({ start: operation.key, end: after(operation.key) });
    const found = entries[0];
    const isFree = found === undefined || found.modRevision === guard;
    if (isWritten(operation, found)) continue;
    if (isFree) left.push({ operation, guard: found?.modRevision ?? noRevision });
    else conflicts.push(operation.key);
  }
  if (conflicts.length > 0) throw targetChanged(conflicts);
  return left;
}

function targetChanged(conflicts: readonly Buffer[]): FerryError {
  return new FerryError({
    kind: 'refused',
    code: 'TARGET_CHANGED',
    message: `Somebody else writes to the target: ${showKeys(conflicts)} changed during the restore.`,
    hint: 'Stop every backend and every other restore that uses the target, then run this again.',
  });
}

function isWritten(operation: WriteOperation, entry: StoreEntry | undefined): boolean {
  if (operation.type === 'delete') return entry === undefined;
  return entry !== undefined && entry.value.equals(operation.value) && entry.lease === operation.lease;
}

/** The key that follows in byte order: `[key, after(key))` holds that one key. */
export function after(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.of(0)]);
}

function passesByItself(error: unknown): boolean {
  return error instanceof FerryError && (error.kind === 'unreachable' || error.code === 'TOO_MANY_REQUESTS');
}

function isTooLarge(error: unknown): boolean {
  return error instanceof FerryError && error.code === 'REQUEST_TOO_LARGE';
}

function hasTooManyOperations(error: unknown): boolean {
  return error instanceof FerryError && error.code === 'TOO_MANY_OPERATIONS';
}

function tooLarge(operation: WriteOperation, cause: unknown): FerryError {
  const { key } = operation;
  const value = operation.type === 'put' ? operation.value : Buffer.alloc(0);
  return valueTooLarge({ key, value }, 'then run this again: it goes on where it stopped', cause);
}

/** `andThen`: what to do with the larger limit. */
export function valueTooLarge(
  { key, value }: Pick<StoreEntry, 'key' | 'value'>,
  andThen: string,
  cause?: unknown,
): FerryError {
  // etcd counts the whole request; what it leaves a value is less by the key, its guard and the framing.
  const needed = Math.ceil((value.length + 2 * key.length + 1024) / 1024) * 1024;
  return new FerryError({
    kind: 'refused',
    code: 'VALUE_TOO_LARGE',
    message: `The target refuses the value of ${showKey(key)}, ${formatBytes(value.length)}, as too large.`,
    hint: `Start every member of the target with --max-request-bytes ${needed} or more, ${andThen}.`,
    cause,
  });
}
