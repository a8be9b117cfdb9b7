import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CorruptFileError } from '../../../src/etcd-files/corrupt.js';
import { openDataDirectory } from '../../../src/etcd-files/data-directory/data-directory.js';
import type { DataDirectory } from '../../../src/etcd-files/data-directory/data-directory.js';
import { findHolder } from '../../../src/etcd-files/data-directory/in-use.js';
import type { StoppedLogOptions } from '../../../src/etcd-files/data-directory/stopped-log.js';
import { ModelStore } from '../model.js';
import { ProtoWriter } from '../../../src/protobuf/proto-writer.js';
import { uint64, writeStore } from '../../support/store-writer.js';
import { walFileName, WalWriter } from './wal-writer.js';
import { runs } from '../../support/runs.js';

const memberId = 0xa5227d6d18885972n;
const otherMember = 0x15059c056c7b9934n;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wal-'));
  mkdirSync(join(folder, 'data/member/snap'), { recursive: true });
  mkdirSync(join(folder, 'wal'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

const dbPath = (): string => join(folder, 'data/member/snap/db');

function writeWal(wal: WalWriter, firstIndexes: readonly bigint[] = [0n]): void {
  for (const [i, bytes] of wal.files.entries()) {
    writeFileSync(join(folder, 'wal', walFileName(i, firstIndexes[i]!)), bytes);
  }
}

function use<T>(read: (directory: DataDirectory) => T, options: StoppedLogOptions = {}): T {
  const directory = openDataDirectory(folder, options);
  try {
    return read(directory);
  } finally {
    directory.close();
  }
}

function codeOf(options: StoppedLogOptions = {}): string {
  try {
    return use(() => 'none', options);
  } catch (error) {
    if (error instanceof CorruptFileError) return error.code;
    throw error;
  }
}

/** An InternalRaftRequest of one request. */
function request(field: number, body: ProtoWriter): Buffer {
  const header = new ProtoWriter().number(1, 7n).finish();
  return new ProtoWriter().message(100, header).message(field, body.finish()).finish();
}

function putBody(key: string, value: Buffer, lease = 0n): ProtoWriter {
  return new ProtoWriter().bytes(1, Buffer.from(key)).bytes(2, value).number(3, lease);
}

const put = (key: string, value: string, lease = 0n): Buffer =>
  request(4, putBody(key, Buffer.from(value), lease));

/** A db file with consistent index 5, one key and one lease. */
function writeBase(): void {
  const record = { value: Buffer.from('old'), createRevision: 2n, version: 1n, lease: 0n };
  writeStore(dbPath(), {
    records: [{ main: 2n, sub: 0n, key: Buffer.from('base'), put: record }],
    leases: [{ id: 77n, ttl: 60n }],
    meta: { consistent_index: uint64(5n), term: uint64(2n) },
  });
}

/** The log up to where that db file ends, and a mark there of who votes. */
function beginWal(voters: readonly bigint[] = [memberId]): WalWriter {
  const wal = new WalWriter().begin().metadata(memberId, 1n);
  for (let index = 1n; index <= 5n; index++) wal.entry(index, 2n, put('base', 'old'));
  return wal.state(2n, 5n).snapshot(5n, 2n, voters);
}

const live = (directory: DataDirectory): string[] =>
  [...directory.entries()].flat().map(({ key, value }) => `${key.toString()}=${value.toString()}`);

describe('replay against a model of the key space', () => {
  const key = fc.nat({ max: 12 }).map((n) => `k${n.toString(3)}`);
  const lease = fc.bigInt(1n, 3n);
  const value = fc.nat({ max: 5 }).map((n) => `v${n}`);
  const step = fc.oneof(
    fc.record({ type: fc.constant('put' as const), key, value, lease: fc.option(lease) }),
    fc.record({
      type: fc.constant('delete' as const),
      key,
      end: fc.option(fc.oneof(key, fc.constant('\0'))),
    }),
    fc.record({ type: fc.constant('grant' as const), lease }),
    fc.record({ type: fc.constant('revoke' as const), lease }),
    fc.record({
      type: fc.constant('txn' as const),
      compared: key,
      version: fc.bigInt(0n, 3n),
      key,
      other: key,
      value,
    }),
  );
  type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

  function apply(model: ModelStore, action: Step): void {
    if (action.type === 'grant') model.grant(action.lease, 60n + action.lease);
    else if (action.type === 'revoke') model.revoke(action.lease);
    else if (action.type === 'put') {
      if (action.lease !== null && !model.leases.has(action.lease)) return;
      model.transact((txn) => {
        txn.put(action.key, Buffer.from(action.value), action.lease ?? 0n);
      });
    } else if (action.type === 'delete') {
      const { key: start, end } = action;
      const within = (name: string): boolean =>
        end === null ? name === start : name >= start && (end === '\0' || name < end);
      const keys = [...model.live.keys()].filter(within).sort();
      model.transact((txn) => {
        for (const name of keys) txn.delete(name);
      });
    } else {
      const holds = (model.live.get(action.compared)?.version ?? 0n) === action.version;
      model.transact((txn) => {
        if (holds) txn.put(action.key, Buffer.from(action.value), 0n);
        else txn.delete(action.other);
      });
    }
  }

  function encode(action: Step): Buffer {
    const key1 = (name: string): ProtoWriter => new ProtoWriter().bytes(1, Buffer.from(name));
    switch (action.type) {
      case 'put':
        return put(action.key, action.value, action.lease ?? 0n);
      case 'delete':
        return request(5, key1(action.key).bytes(2, Buffer.from(action.end ?? '')));
      case 'grant':
        return request(8, new ProtoWriter().number(1, 60n + action.lease).number(2, action.lease));
      case 'revoke':
        return request(9, new ProtoWriter().number(1, action.lease));
      case 'txn': {
        const compare = new ProtoWriter().bytes(3, Buffer.from(action.compared)).number(4, action.version);
        const success = new ProtoWriter().message(2, putBody(action.key, Buffer.from(action.value)).finish());
        const failure = new ProtoWriter().message(3, key1(action.other).finish());
        const body = new ProtoWriter().message(1, compare.finish()).message(2, success.finish());
        return request(6, body.message(3, failure.finish()));
      }
    }
  }

  function state(model: ModelStore): unknown {
    const keys = model.sorted().map(([name, entry]) => [name, entry.value.toString(), entry]);
    return { keys, revision: model.revision, leases: [...model.leases].sort() };
  }

  function stateOf(directory: DataDirectory): unknown {
    const keys = [...directory.entries()].flat().map((entry) => {
      const { value: bytes, createRevision, modRevision, version, lease: id } = entry;
      const fields = { value: bytes, createRevision, modRevision, version, lease: id ?? 0n };
      return [entry.key.toString(), bytes.toString(), fields];
    });
    const leases = directory.leases.map(({ id, ttl }) => [id, ttl]).sort();
    return { keys, revision: directory.revision, leases };
  }

  test('gives the same store from whatever point the db file ends at', () => {
    const property = fc.property(fc.array(step, { maxLength: 60 }), fc.nat(), (steps, cut) => {
      const applied = cut % (steps.length + 1);
      const model = new ModelStore();
      for (const action of steps.slice(0, applied)) apply(model, action);
      writeStore(dbPath(), {
        records: model.records,
        leases: [...model.leases].map(([id, ttl]) => ({ id, ttl })),
        meta: { consistent_index: uint64(BigInt(applied)) },
      });
      for (const action of steps.slice(applied)) apply(model, action);
      const wal = new WalWriter().begin().metadata(memberId, 1n);
      for (const [i, action] of steps.entries()) wal.entry(BigInt(i + 1), 1n, encode(action));
      writeWal(wal.state(1n, BigInt(steps.length)).end(64 * 1024));
      use((directory) => {
        expect(stateOf(directory)).toEqual(state(model));
        expect(directory.replayed.entries).toBe(steps.length - applied);
        expect(directory.totals()).toEqual({ keys: model.live.size, records: model.records.length });
      });
    });
    fc.assert(property, { numRuns: runs(150) });
  });
});

describe('the end of the log', () => {
  test('beyond the commit index counts for a member that is alone, and not for one of several', () => {
    writeBase();
    const write = (voters?: readonly bigint[]): void => {
      const wal = beginWal(voters).entry(6n, 2n, put('a', '1')).state(2n, 6n);
      writeWal(wal.entry(7n, 2n, put('b', '2')).end(4096));
    };
    write();
    use(({ agreement, replayed }) => {
      expect(agreement).toMatchObject({ upTo: 7n, doubt: undefined, voters: { all: 1, given: 1 } });
      expect(replayed).toMatchObject({ beyondCommit: { entries: 1, applied: true }, leftOut: 0 });
    });
    expect(use(live)).toEqual(['a=1', 'b=2', 'base=old']);
    write([memberId, otherMember]);
    use(({ agreement, replayed }) => {
      expect(agreement).toMatchObject({ upTo: 6n, doubt: 'few-voters', voters: { all: 2, given: 1 } });
      expect(replayed).toMatchObject({ beyondCommit: { entries: 1, applied: false }, leftOut: 1 });
    });
    expect(use(live)).toEqual(['a=1', 'base=old']);
  });

  test('is what a later leader wrote, where it overruled an earlier one', () => {
    writeBase();
    const wal = beginWal().entry(6n, 2n, put('a', 'lost')).entry(7n, 2n, put('b', 'lost'));
    writeWal(wal.entry(6n, 3n, put('a', 'kept')).state(3n, 6n).end(4096));
    expect(use(live)).toEqual(['a=kept', 'base=old']);
  });

  test('goes on in the next file, whose checksum continues that of the one before', () => {
    writeBase();
    const wal = beginWal().entry(6n, 2n, put('a', '1')).begin().metadata(memberId, 1n);
    writeWal(wal.entry(7n, 2n, put('b', '2')).state(2n, 7n).end(4096), [0n, 7n]);
    expect(use(live)).toEqual(['a=1', 'b=2', 'base=old']);
    // A file of some other log in its place.
    const other = new WalWriter().begin().metadata(1n, 1n).entry(7n, 2n, put('b', '2')).end();
    writeFileSync(join(folder, 'wal', walFileName(1, 7n)), other.files[0]!);
    expect(codeOf()).toBe('WAL_CORRUPT');
  });

  test('is missed when a file or an entry is missing', () => {
    writeBase();
    const wal = beginWal()
      .entry(6n, 2n, put('a', '1'))
      .begin()
      .entry(7n, 2n, put('b', '2'))
      .state(2n, 7n)
      .end();
    writeWal(wal, [0n, 7n]);
    rmSync(join(folder, 'wal', walFileName(0, 0n)));
    expect(codeOf()).toBe('WAL_GAP');
    rmSync(join(folder, 'wal', walFileName(1, 7n)));
    expect(codeOf()).toBe('NOT_A_DATA_DIRECTORY');
    writeWal(beginWal().entry(7n, 2n, put('b', '2')).end());
    expect(codeOf()).toBe('WAL_GAP');
    writeWal(beginWal().entry(6n, 2n, put('b', '2')).state(2n, 9n).end());
    expect(codeOf()).toBe('WAL_GAP');
  });

  test('holds requests that concern no key, and says which', () => {
    writeBase();
    const v2 = new ProtoWriter()
      .number(1, 9n)
      .bytes(2, Buffer.from('PUT'))
      .bytes(3, Buffer.from('/0/version'));
    const wal = beginWal().entry(6n, 3n, Buffer.alloc(0)).entry(7n, 3n, v2.finish());
    wal.entry(8n, 3n, request(1106, new ProtoWriter()));
    wal.entry(9n, 3n, new ProtoWriter().number(2, 3n).number(3, otherMember).finish(), 1);
    writeWal(wal.entry(10n, 3n, put('a', '1')).state(3n, 10n).end());
    use((directory) => {
      expect(live(directory)).toEqual(['a=1', 'base=old']);
      const passedOver = { empty: 1, v2: 1, auth_user_list: 1, conf_change: 1 };
      expect(Object.fromEntries(directory.replayed.passedOver)).toEqual(passedOver);
    });
  });
});

test('a request that no known etcd knows is not passed over', () => {
  writeBase();
  writeWal(beginWal().entry(6n, 2n, request(1700, new ProtoWriter())).state(2n, 6n).end());
  expect(codeOf()).toBe('WAL_CORRUPT');
});

describe('under auth', () => {
  const bytes = (...fields: readonly string[]): ProtoWriter =>
    fields.reduce((message, field, i) => message.bytes(i + 1, Buffer.from(field)), new ProtoWriter());
  const grantBody = (role: string, access: number, key: string, end: string): ProtoWriter => {
    const permission = new ProtoWriter()
      .number(1, access)
      .bytes(2, Buffer.from(key))
      .bytes(3, Buffer.from(end));
    return bytes(role).message(2, permission.finish());
  };
  const userBody = (name: string): ProtoWriter => bytes(name).bytes(4, Buffer.from('aGFzaA=='));
  /** Ten changes: with the first revision, which is taken at the start, they end at 11. */
  const setUp = [
    ...[request(1100, userBody('root')), request(1200, bytes('root')), request(1104, bytes('root', 'root'))],
    ...[request(1100, userBody('alice')), request(1200, bytes('r')), request(1200, bytes('w'))],
    ...[request(1203, grantBody('r', 2, 'a', 'b')), request(1203, grantBody('w', 1, 'w', ''))],
    ...[
      request(1104, bytes('alice', 'r')),
      request(1104, bytes('alice', 'w')),
      request(1000, new ProtoWriter()),
    ],
  ];
  const authRevision = 11n;

  const as = (user: string, field: number, body: ProtoWriter, revision = authRevision): Buffer => {
    const header = new ProtoWriter().bytes(2, Buffer.from(user)).number(3, revision).finish();
    return new ProtoWriter().message(100, header).message(field, body.finish()).finish();
  };
  const one = Buffer.from('1');
  const put1 = (key: string, lease = 0n): ProtoWriter => putBody(key, one, lease);
  const within = (operation: number, body: ProtoWriter): ProtoWriter =>
    new ProtoWriter().message(2, new ProtoWriter().message(operation, body.finish()).finish());

  test.each([
    ['a key of hers', as('alice', 4, put1('a1')), ['a1=1']],
    ['a key of hers, with what it was before', as('alice', 4, put1('a1').number(4, 1n)), ['a1=1']],
    ['a key of others', as('alice', 4, put1('b')), []],
    ['what she may write but not read, with what it was before', as('alice', 4, put1('w').number(4, 1n)), []],
    ['a key with a login from before a change', as('alice', 4, put1('a1'), 10n), []],
    ['a key without a login', request(4, put1('a1')), []],
    ['a key by a login that nobody has', as('mallory', 4, put1('a1')), []],
    ['a key of others inside a transaction', as('alice', 6, within(2, put1('z'))), []],
    ['a key of others two transactions deep', as('alice', 6, within(4, within(2, put1('z')))), []],
    ['a key of hers two transactions deep', as('alice', 6, within(4, within(2, put1('a1')))), ['a1=1']],
    ['a key with the lease of a key of others', as('alice', 4, put1('a1', 77n)), []],
    ['a user without being root', as('alice', 1100, userBody('eve')), []],
  ] as const)('is replayed or refused as etcd does: %s', (_what, sent, written) => {
    writeBase();
    const wal = beginWal();
    const requests = [put('base', 'old', 77n), ...setUp, sent];
    for (const [i, entry] of requests.entries()) wal.entry(6n + BigInt(i), 2n, entry);
    writeWal(wal.end());
    use((directory) => {
      expect(live(directory)).toEqual([...written, 'base=old']);
      expect(directory).toMatchObject({
        authEnabled: true,
        users: ['alice', 'root'],
        roles: ['r', 'root', 'w'],
      });
    });
  });
});

describe('a write cut short', () => {
  /** The log up to entry 7, and how long it is without and with that entry. */
  function logOf(value: Buffer): { bytes: Buffer; start: number } {
    const wal = beginWal()
      .entry(6n, 2n, put('a', '1'))
      .entry(7n, 2n, request(4, putBody('b', value)));
    const start = wal.offsets.at(-1)!;
    return { bytes: Buffer.from(wal.end(64 * 1024).files[0]!), start };
  }

  function openCut(bytes: Buffer): DataDirectory {
    writeFileSync(join(folder, 'wal', walFileName(0, 0n)), bytes);
    return openDataDirectory(folder);
  }

  test('is dropped and reported where sectors of it are still zero', () => {
    writeBase();
    const { bytes, start } = logOf(Buffer.alloc(3000, 1));
    for (let sector = Math.ceil((start + 8) / 512); sector * 512 < start + 3000; sector++) {
      const torn = Buffer.from(bytes);
      torn.fill(0, sector * 512, (sector + 1) * 512);
      const directory = openCut(torn);
      expect(live(directory)).toEqual(['a=1', 'base=old']);
      expect(directory.replayed.tornTail).toMatchObject({ offset: start });
      expect(directory.replayed.tornTail!.bytes).toBeGreaterThan(0);
      directory.close();
    }
  });

  test('is dropped where the file ends inside it', () => {
    writeBase();
    const { bytes, start } = logOf(Buffer.alloc(3000, 1));
    for (const end of [start + 4, start + 8, start + 9, start + 1500]) {
      const directory = openCut(bytes.subarray(0, end));
      expect(live(directory)).toEqual(['a=1', 'base=old']);
      expect(directory.replayed.tornTail).toMatchObject({ offset: start });
      directory.close();
    }
  });

  test('is damage where no sector is zero, or where more files follow', () => {
    writeBase();
    const { bytes, start } = logOf(Buffer.alloc(3000, 1));
    const flipped = Buffer.from(bytes);
    flipped[start + 1000]! ^= 4;
    expect(() => openCut(flipped)).toThrow(expect.objectContaining({ code: 'WAL_CORRUPT' }));
    const torn = Buffer.from(bytes);
    torn.fill(0, start + 1024, start + 2048);
    writeFileSync(join(folder, 'wal', walFileName(1, 8n)), new WalWriter().begin().end().files[0]!);
    expect(() => openCut(torn)).toThrow(expect.objectContaining({ code: 'WAL_CORRUPT' }));
  });

  test('is damage where the length is more than any record has', () => {
    writeBase();
    const { bytes, start } = logOf(Buffer.alloc(3000, 1));
    const length = 5 * 1024 ** 3;
    bytes.writeBigUInt64LE(BigInt(length), start);
    const path = join(folder, 'wal', walFileName(0, 0n));
    writeFileSync(path, bytes);
    truncateSync(path, start + 8 + length);
    expect(() => openDataDirectory(folder)).toThrow(/record at byte \d+ claims 5368709120 bytes/);
  });

  test('never gives anything but a store or a CorruptFileError, whatever the damage', () => {
    writeBase();
    const { bytes } = logOf(Buffer.alloc(900, 7));
    const used = bytes.length - 62_000;
    const edit = fc.record({
      at: fc.nat({ max: used }),
      byte: fc.nat({ max: 255 }),
      run: fc.integer({ min: 1, max: 40 }),
    });
    const codes = new Set<string>();
    const property = fc.property(
      fc.array(edit, { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      (edits, cut) => {
        const damaged = Buffer.from(bytes);
        for (const { at, byte, run } of edits) damaged.fill(byte, at, Math.min(at + run, bytes.length));
        const path = join(folder, 'wal', walFileName(0, 0n));
        writeFileSync(path, cut ? damaged.subarray(0, edits[0]!.at) : damaged);
        const started = performance.now();
        codes.add(codeOf());
        expect(performance.now() - started).toBeLessThan(5000);
      },
    );
    fc.assert(property, { numRuns: runs(300) });
    expect([...codes]).toEqual(expect.arrayContaining(['none', 'WAL_CORRUPT']));
  });
});

describe('a directory in use', () => {
  test('is refused while a process holds a lock on its db file', async () => {
    writeBase();
    writeWal(beginWal().end());
    expect(codeOf()).toBe('none');
    const holder = spawn('flock', ['--exclusive', dbPath(), 'sh', '-c', 'echo locked; exec cat'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    try {
      await once(holder.stdout, 'data', { signal: AbortSignal.timeout(10_000) });
      expect(codeOf()).toBe('DATA_DIR_IN_USE');
      expect(findHolder(folder)).toMatchObject({ state: 'held', path: dbPath() });
    } finally {
      holder.stdin.end();
      await once(holder, 'exit');
    }
    expect(codeOf()).toBe('none');
    expect(findHolder(folder)).toEqual({ state: 'free' });
  });

  test('is refused by a lock on a WAL file, told by device and inode', () => {
    writeBase();
    writeWal(beginWal().end());
    const { ino, dev } = statSync(join(folder, 'wal', walFileName(0, 0n)));
    const device = [(dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00)]
      .map((part) => part.toString(16).padStart(2, '0'))
      .join(':');
    const locksFile = join(folder, 'locks');
    const line = (inode: number): string => `1: FLOCK  ADVISORY  WRITE 4242 ${device}:${inode} 0 EOF\n`;
    writeFileSync(locksFile, line(ino));
    expect(codeOf({ locksFile })).toBe('DATA_DIR_IN_USE');
    writeFileSync(locksFile, line(ino + 1));
    expect(codeOf({ locksFile })).toBe('none');
    // A waiting process holds nothing.
    writeFileSync(locksFile, line(ino).replace('1: ', '1: -> '));
    expect(codeOf({ locksFile })).toBe('none');
  });

  test('is opened, and that it may be in use is said, where the system does not tell', () => {
    writeBase();
    writeWal(beginWal().end());
    const locksFile = join(folder, 'absent');
    expect(use(({ useUnknown }) => useUnknown, { locksFile })).toContain('absent');
    expect(use(({ useUnknown }) => useUnknown)).toBeUndefined();
  });
});

describe('where the files are', () => {
  test('is found in the layouts of Sensu and of etcd', () => {
    writeBase();
    writeWal(beginWal().entry(6n, 2n, put('a', '1')).state(2n, 6n).end());
    const expected = ['a=1', 'base=old'];
    const read = (path: string): string[] => {
      const directory = openDataDirectory(path);
      const found = live(directory);
      directory.close();
      return found;
    };
    expect(read(folder)).toEqual(expected);
    expect(read(join(folder, 'data'))).toEqual(expected);
    const plain = join(folder, 'plain');
    mkdirSync(join(plain, 'member/snap'), { recursive: true });
    mkdirSync(join(plain, 'member/wal'));
    copyFileSync(dbPath(), join(plain, 'member/snap/db'));
    expect(() => read(plain)).toThrow(/no WAL file/);
    copyFileSync(join(folder, 'wal', walFileName(0, 0n)), join(plain, 'member/wal', walFileName(0, 0n)));
    expect(read(plain)).toEqual(expected);
    expect(() => read(join(folder, 'wal'))).toThrow(
      expect.objectContaining({ code: 'NOT_A_DATA_DIRECTORY' }),
    );
  });

  test('is a db file that a leader sent, where the member was stopped before it took its place', () => {
    writeBase();
    const snap = join(folder, 'data/member/snap');
    const record = { value: Buffer.from('sent'), createRevision: 9n, version: 1n, lease: 0n };
    writeStore(join(snap, '0000000000000014.snap.db'), {
      records: [{ main: 9n, sub: 0n, key: Buffer.from('base'), put: record }],
      meta: { consistent_index: uint64(20n) },
    });
    writeFileSync(join(snap, '0000000000000002-0000000000000014.snap'), '');
    const wal = beginWal().entry(21n, 2n, put('a', '1')).state(2n, 21n);
    writeWal(wal.end());
    expect(use(live)).toEqual(['a=1', 'base=sent']);
  });
});
