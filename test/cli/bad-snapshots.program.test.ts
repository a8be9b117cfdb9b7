import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Header } from 'tar/header';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sensuRoot } from '../../src/store/sensu-root.js';
import { startEtcd, type RunningEtcd } from '../support/etcd.js';
import { expectFailure, ferry, fixture } from '../support/ferry.js';

const good = readFileSync(fixture('single-6.7.5/snapshot.db'));
const trailer = 32;
const pageSize = 4096;

let etcd: RunningEtcd;
let folder: string;
let archive: Buffer;

beforeAll(async () => {
  etcd = await startEtcd();
  folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-bad-'));
});

afterAll(async () => {
  await etcd.stop();
  await rm(folder, { recursive: true, force: true });
});

type Case = readonly [what: string, code: number, name: string, make: () => string];

let made = 0;

function file(bytes: Buffer | string, ending = '.db'): string {
  const path = join(folder, `${made++}${ending}`);
  writeFileSync(path, bytes);
  return path;
}

function changed(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at]! ^= 0x20;
  return copy;
}

/** Both commands say the same, and a restore has written nothing and granted no lease. */
async function expectRefused(code: number, name: string, path: string): Promise<void> {
  const [inspect, restore] = await Promise.all([
    ferry(['snapshot', 'inspect', path]),
    ferry(['restore', 'etcd', '--from', path, '--endpoints', etcd.endpoint, '--yes']),
  ]);
  for (const ended of [inspect, restore]) {
    expectFailure(ended, code, name);
    expect(ended.stdout).toBe('');
    expect(ended.stderr).toContain(path);
  }
  const client = await etcd.connect();
  expect(await client.range({ ...sensuRoot, countOnly: true })).toMatchObject({ count: 0n, revision: 1n });
  expect(await client.leaseIds()).toEqual([]);
}

const text = 'Not a snapshot at all, but a text file that somebody has named like one.\n'.repeat(400);
/** Begins as SQLite's files do, and has as many pages as it says. */
const sqlite = Buffer.concat([
  Buffer.from('SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20', 'latin1'),
  Buffer.alloc(32 * 1024),
]);

describe('an etcd snapshot', () => {
  it.each<Case>([
    ['without its last byte', 13, 'SNAPSHOT_TRUNCATED', () => file(good.subarray(0, -1))],
    ['cut within a page', 13, 'SNAPSHOT_TRUNCATED', () => file(good.subarray(0, 3 * pageSize + 100))],
    ['cut between two pages', 13, 'SNAPSHOT_TRUNCATED', () => file(good.subarray(0, 8 * pageSize))],
    ['cut to its first page', 13, 'SNAPSHOT_TRUNCATED', () => file(good.subarray(0, pageSize))],
    ['cut within its first meta page', 13, 'SNAPSHOT_TRUNCATED', () => file(good.subarray(0, 50))],
    // Of such a size that what is left seems to end with a sha256.
    [
      'cut so as to have a trailer',
      13,
      'TRAILER_MISMATCH',
      () => file(good.subarray(0, 8 * pageSize + trailer)),
    ],
    ['with a byte changed in a value', 13, 'TRAILER_MISMATCH', () => file(changed(good, 100_000))],
    ['with a byte changed in its sha256', 13, 'TRAILER_MISMATCH', () => file(changed(good, good.length - 1))],
    // The magic number of the first meta page: the second one tells that it is bbolt all the same.
    ['with its first meta page damaged', 13, 'TRAILER_MISMATCH', () => file(changed(good, 16))],
    [
      'without a sha256 and with a page gone',
      13,
      'PAGE_CORRUPT',
      () => file(Buffer.from(good.subarray(0, -trailer)).fill(0, 4 * pageSize, 40 * pageSize)),
    ],
    ['with bytes behind it', 13, 'SNAPSHOT_TRUNCATED', () => file(Buffer.concat([good, Buffer.from('x')]))],
  ])('%s', async (_what, code, name, make) => {
    await expectRefused(code, name, make());
  });
});

describe('something else', () => {
  it.each<Case>([
    ...[1, 544, 1000, 4096, 10_000].map((size): Case => [
      `a text file of ${size} bytes`,
      10,
      'NOT_BBOLT',
      () => file(text.slice(0, size)),
    ]),
    ['an SQLite file', 10, 'NOT_BBOLT', () => file(sqlite)],
    ['zeroes', 10, 'NOT_BBOLT', () => file(Buffer.alloc(3 * pageSize))],
    ['an empty file', 10, 'EMPTY_FILE', () => file('')],
    ['an empty file that is named as an archive', 10, 'EMPTY_FILE', () => file('', '.sferry')],
    [
      'a tar file of another program',
      10,
      'NOT_AN_ARCHIVE',
      () => file(tarOf('etc/passwd', Buffer.from('x'))),
    ],
    ['a missing file', 10, 'SOURCE_UNREADABLE', () => join(folder, 'none.db')],
    ['a missing folder', 10, 'SOURCE_UNREADABLE', () => join(folder, 'none', 'etcd')],
    ['a file taken for a folder', 10, 'SOURCE_UNREADABLE', () => join(file('x'), 'etcd')],
    ['an empty folder', 10, 'NOT_A_DATA_DIRECTORY', () => directory([])],
    ['a folder of other things', 10, 'NOT_A_DATA_DIRECTORY', () => directory(['data', 'wal', 'data/member'])],
    // The trap: opening one never returns, and then neither Ctrl-C nor the end of the program does.
    ['a pipe that nobody writes to', 10, 'SOURCE_NOT_A_FILE', pipe],
    ['a device', 10, 'SOURCE_NOT_A_FILE', () => '/dev/zero'],
  ])('%s', async (_what, code, name, make) => {
    await expectRefused(code, name, make());
  });
});

function directory(folders: readonly string[]): string {
  const path = join(folder, String(made++));
  for (const name of ['.', ...folders]) mkdirSync(join(path, name), { recursive: true });
  return path;
}

function pipe(): string {
  const path = join(folder, `${made++}.fifo`);
  execFileSync('mkfifo', [path]);
  return path;
}

function tarOf(path: string, body: Buffer): Buffer {
  const head = Buffer.alloc(512);
  new Header({ path, size: body.length, mode: 0o600, mtime: new Date(), type: 'File' }).encode(head);
  const padded = Buffer.concat([body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
  return Buffer.concat([head, padded, Buffer.alloc(1024)]);
}

describe('an archive', () => {
  /** Where the manifest's header begins; the chunks lie before it. */
  const manifestAt = (): number => archive.indexOf('manifest.json\0');

  beforeAll(async () => {
    const source = await startEtcd();
    try {
      const from = fixture('single-6.7.5/snapshot.db');
      const to = join(folder, 'saved');
      mkdirSync(to);
      const at = ['--endpoints', source.endpoint];
      expect(await ferry(['restore', 'etcd', '--from', from, ...at, '--yes'])).toMatchObject({ code: 0 });
      expect(await ferry(['snapshot', 'save', ...at, '--to', to])).toMatchObject({ code: 0 });
      const [name] = await readdir(to);
      archive = readFileSync(join(to, name!));
    } finally {
      await source.stop();
    }
  });

  it('as it was saved is fine', async () => {
    const ended = await ferry(['snapshot', 'inspect', file(archive, '.sferry')]);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(ended.stdout).toContain('archive of sensu-ferry');
    // Its name does not matter as long as it is whole.
    expect((await ferry(['snapshot', 'inspect', file(archive, '.backup')])).code).toBe(0);
  });

  it.each<Case>([
    ...[
      ['within its first header', () => 300],
      ['behind its first header', () => 512],
      ['within its first chunk', () => 2000],
      ['before its manifest', manifestAt],
      ['within its manifest', () => manifestAt() + 700],
      ['before its last block', () => archive.length - 512],
      ['by a byte', () => archive.length - 1],
    ].map(([what, at]): Case => {
      const cut = at as () => number;
      return [
        `cut ${what as string}`,
        13,
        'ARCHIVE_DAMAGED',
        () => file(archive.subarray(0, cut()), '.sferry'),
      ];
    }),
    ...[
      ['its first name', () => 3],
      ['the mark of a tar file', () => 258],
      ['a chunk', () => 3000],
      ['the header of its manifest', () => manifestAt() + 2],
    ].map(([what, at]): Case => {
      const place = at as () => number;
      return [
        `with a byte changed in ${what as string}`,
        13,
        'ARCHIVE_DAMAGED',
        () => file(changed(archive, place()), '.sferry'),
      ];
    }),
    [
      'with a byte changed in the form of its manifest',
      13,
      'MANIFEST_INVALID',
      () => file(changed(archive, archive.indexOf('"format"') + 1), '.sferry'),
    ],
    [
      'with a byte changed in a sum of its manifest',
      13,
      'ARCHIVE_DAMAGED',
      () => {
        const digit = archive.indexOf('"sha256": "', manifestAt()) + '"sha256": "'.length;
        const copy = Buffer.from(archive);
        copy.write(copy.toString('latin1', digit, digit + 1) === '0' ? '1' : '0', digit);
        return file(copy, '.sferry');
      },
    ],
    [
      'without its manifest',
      13,
      'ARCHIVE_DAMAGED',
      () => file(Buffer.concat([archive.subarray(0, manifestAt()), Buffer.alloc(1024)]), '.sferry'),
    ],
    ['with its manifest alone', 13, 'ARCHIVE_DAMAGED', () => file(archive.subarray(manifestAt()), '.sferry')],
    [
      'with bytes behind it',
      13,
      'ARCHIVE_DAMAGED',
      () => file(Buffer.concat([archive, Buffer.from('x')]), '.sferry'),
    ],
  ])('%s', async (_what, code, name, make) => {
    await expectRefused(code, name, make());
  });
});
