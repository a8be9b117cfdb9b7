import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { crc32c } from '../../../src/etcd-files/wal/crc32c.js';
import { ProtoWriter } from '../../../src/protobuf/proto-writer.js';
import { openStoppedLog } from '../../../src/etcd-files/data-directory/stopped-log.js';
import { uint64, writeStore } from '../../support/store-writer.js';
import { confState, walFileName, WalWriter } from '../wal/wal-writer.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'voters-'));
  mkdirSync(join(folder, 'member/snap'), { recursive: true });
  mkdirSync(join(folder, 'member/wal'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** The db file names voters of its own, which never count. */
function write(wal: WalWriter, consistentIndex: bigint, begins: readonly bigint[] = [0n]): void {
  const meta = { consistent_index: uint64(consistentIndex), term: uint64(1n) };
  writeStore(join(folder, 'member/snap/db'), { records: [], meta, voters: [77n] });
  for (const [i, bytes] of wal.files.entries()) {
    writeFileSync(join(folder, 'member/wal', walFileName(i, begins[i]!)), bytes);
  }
}

function voters(): readonly bigint[] | undefined {
  const log = openStoppedLog(folder);
  log.base.close();
  return log.member.voters && [...log.member.voters].sort();
}

const change = (type: number, node: bigint): Buffer =>
  new ProtoWriter().number(1, 1n).number(2, type).number(3, node).finish();
const begin = (): WalWriter => new WalWriter().begin().metadata(1n, 9n);

test('of a member that never took a snapshot are those that its log has added', () => {
  const wal = begin().snapshot(0n, 0n).entry(1n, 1n, change(0, 1n), 1).entry(2n, 1n, change(0, 2n), 1);
  wal.entry(3n, 1n, change(3, 3n), 1).entry(4n, 1n, change(2, 1n), 1);
  write(wal.state(1n, 4n).end(), 4n);
  expect(voters()).toEqual([1n, 2n]);
});

test('are those of the newest snapshot and what was changed since, as far as that is agreed on', () => {
  const wal = begin()
    .snapshot(0n, 0n)
    .entry(1n, 1n, change(0, 5n), 1)
    .entry(2n, 1n, Buffer.of(8))
    .state(1n, 2n);
  wal.snapshot(2n, 1n, [1n, 2n, 3n]).entry(3n, 1n, change(1, 3n), 1).entry(4n, 1n, change(0, 4n), 1);
  write(wal.state(1n, 3n).end(), 2n);
  expect(voters()).toEqual([1n, 2n]);
});

test('are not those of a change that a later leader has overruled', () => {
  const wal = begin().snapshot(0n, 0n).entry(1n, 1n, change(0, 1n), 1).entry(2n, 1n, change(0, 2n), 1);
  write(wal.entry(2n, 2n, Buffer.alloc(0)).state(2n, 2n).end(), 1n);
  expect(voters()).toEqual([1n]);
});

test('are looked up before the db file ends, in the files that go back to the snapshot', () => {
  const wal = begin().snapshot(0n, 0n).entry(1n, 1n, change(0, 1n), 1).entry(2n, 1n, change(0, 2n), 1);
  wal.begin().metadata(1n, 9n).entry(3n, 1n, Buffer.alloc(0)).state(1n, 3n);
  write(wal.end(), 3n, [0n, 3n]);
  expect(voters()).toEqual([1n, 2n]);
});

/** The trap: the mark that 3.4 leaves in its log does not tell. */
test('are in the .snap file where the log only marks it, and unknown without', () => {
  const wal = begin()
    .entry(7n, 1n, Buffer.alloc(0))
    .entry(8n, 1n, Buffer.alloc(0))
    .state(1n, 8n)
    .snapshot(8n, 1n);
  write(wal.end(), 8n, [7n]);
  expect(voters()).toBeUndefined();
  const metadata = new ProtoWriter()
    .message(1, confState([4n, 5n]))
    .number(2, 8n)
    .number(3, 1n)
    .finish();
  const data = new ProtoWriter().bytes(1, Buffer.from('{}')).message(2, metadata).finish();
  const path = join(folder, 'member/snap/0000000000000001-0000000000000008.snap');
  writeFileSync(path, new ProtoWriter().number(1, crc32c(0, data)).message(2, data).finish());
  expect(voters()).toEqual([4n, 5n]);
  writeFileSync(path, new ProtoWriter().number(1, 1).message(2, data).finish());
  expect(voters()).toBeUndefined();
});
