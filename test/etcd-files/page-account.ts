import { openSync, closeSync, readFileSync } from 'node:fs';
import { BboltFile } from '../../src/etcd-files/bbolt/bbolt.js';
import { FileWindow } from '../../src/etcd-files/bbolt/file-window.js';
import {
  elementFlags,
  keyEnd,
  keyStart,
  pageKind,
  readPageHeader,
  valueEnd,
} from '../../src/etcd-files/bbolt/pages.js';

/** All of a bbolt file's buckets, in order: names and pairs as latin1. */
export type Buckets = Readonly<Record<string, readonly (readonly [key: string, value: string])[]>>;

export function readBuckets(path: string): Buckets {
  const fd = openSync(path, 'r');
  try {
    const file = new BboltFile(new FileWindow(fd, path));
    return Object.fromEntries(
      file.buckets.map(({ name, root }) => {
        const pairs: [string, string][] = [];
        for (const leaf of file.leaves(root)) {
          for (let i = 0; i < leaf.count; i++) {
            if (elementFlags(leaf, i) !== 0) throw new Error('A bucket inside a bucket.');
            const key = leaf.bytes.toString('latin1', keyStart(leaf, i), keyEnd(leaf, i));
            pairs.push([key, leaf.bytes.toString('latin1', keyEnd(leaf, i), valueEnd(leaf, i))]);
          }
        }
        return [name.toString('latin1'), pairs];
      }),
    );
  } finally {
    closeSync(fd);
  }
}

/**
 * How often each page is in use: once, in a sound file without free pages. Follows the format as its documentation
 * has it, beside the reader of this program; a page that runs on counts with all its pages.
 */
export function pageUses(path: string): number[] {
  const bytes = readFileSync(path);
  const pageSize = bytes.readUInt32LE(16 + 8);
  const meta = [0, pageSize]
    .map((at) => bytes.subarray(at + 16, at + 80))
    .sort((a, b) => newest(b) - newest(a))[0]!;
  const uses = new Array<number>(Number(meta.readBigUInt64LE(40))).fill(0);
  const visit = (id: number): void => {
    const { flags, count, overflow } = readPageHeader(bytes, id * pageSize);
    for (let page = id; page <= id + overflow; page++) uses[page]!++;
    for (let i = 0; i < count; i++) {
      const at = id * pageSize + 16 + i * 16;
      if (flags === pageKind.branch) visit(Number(bytes.readBigUInt64LE(at + 8)));
      else if (bytes.readUInt32LE(at) === 1) {
        const root = Number(
          bytes.readBigUInt64LE(at + bytes.readUInt32LE(at + 4) + bytes.readUInt32LE(at + 8)),
        );
        if (root !== 0) visit(root);
      }
    }
  };
  visit(Number(meta.readBigUInt64LE(16)));
  for (const page of [0, 1, Number(meta.readBigUInt64LE(32))]) uses[page]!++;
  return uses;
}

/** The fewest children that any branch page has; infinity in a file without one. */
export function fewestChildren(path: string): number {
  const bytes = readFileSync(path);
  let fewest = Infinity;
  for (let at = 0; at < bytes.length;) {
    const { flags, count, overflow } = readPageHeader(bytes, at);
    if (flags === pageKind.branch) fewest = Math.min(fewest, count);
    at += (overflow + 1) * bytes.readUInt32LE(16 + 8);
  }
  return fewest;
}

function newest(meta: Buffer): number {
  return Number(meta.readBigUInt64LE(48));
}
