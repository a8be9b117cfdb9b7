import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { StoreEntry } from '../../src/store/types.js';

export function fixture(path: string): string {
  return fileURLToPath(new URL(`../../fixtures/${path}`, import.meta.url));
}

/** One key as `truth.json` has it; those of data directories have fewer fields. */
export interface TrueKey {
  readonly key: string;
  readonly create_revision?: number;
  readonly mod_revision: number;
  readonly version?: number;
  readonly lease?: string | null;
  readonly value_sha256: string;
  readonly value_bytes?: number;
}

export interface Truth {
  readonly revision: number;
  readonly revision_after_wal_replay: number;
  readonly count: number;
  readonly keys: readonly TrueKey[];
  readonly leases: readonly {
    readonly id: string;
    readonly grantedTTL: number;
    readonly keys: readonly string[];
  }[];
}

export function readTruth(folder: string): Truth {
  return JSON.parse(readFileSync(fixture(`${folder}/truth.json`), 'utf8')) as Truth;
}

/** An entry in the form of `truth.json`, with the fields that `like` has. */
export function asTruth(entry: StoreEntry, like: TrueKey): TrueKey {
  const sha256 = createHash('sha256').update(entry.value).digest('hex');
  const all: Required<TrueKey> = {
    key: entry.key.toString(),
    create_revision: Number(entry.createRevision),
    mod_revision: Number(entry.modRevision),
    version: Number(entry.version),
    lease: entry.lease === undefined ? null : hex(entry.lease),
    value_sha256: sha256,
    value_bytes: entry.value.length,
  };
  return Object.fromEntries(Object.entries(all).filter(([name]) => name in like)) as unknown as TrueKey;
}

export function hex(id: bigint): string {
  return BigInt.asUintN(64, id).toString(16);
}
