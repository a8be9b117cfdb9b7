import type { BboltFile } from '../bbolt/bbolt.js';
import { rangeOf } from './key-range.js';
import { ProtoReader } from '../../protobuf/proto-reader.js';
import { ProtoWriter } from '../../protobuf/proto-writer.js';
import { corruptRecord, readBucket } from './store-metadata.js';
import type { KeyRange } from '../../store/types.js';

/** `authpb.User`. Names are latin1 of their bytes, as everywhere in replay: a string for each byte sequence. */
export interface StoredEtcdUser {
  /** Secret: bcrypt's hash; empty without one. */
  readonly password: Buffer;
  /** In byte order. */
  readonly roles: readonly string[];
  /** Undefined for a user of a release that knew no options. */
  readonly noPassword: boolean | undefined;
}

/** `authpb.Permission`. */
export interface StoredPermission {
  readonly access: 'read' | 'write' | 'readwrite';
  readonly key: Buffer;
  /** As etcd writes it: empty for the one key, a zero byte for all keys that follow. */
  readonly end: Buffer;
}

/** etcd's users and roles as its db file has them. */
export interface StoredAuth {
  readonly enabled: boolean;
  /** Goes up with every change of users and roles. 0 where etcd has not written it yet. */
  readonly revision: bigint;
  readonly users: ReadonlyMap<string, StoredEtcdUser>;
  /** In the order of the keys of their permissions. */
  readonly roles: ReadonlyMap<string, readonly StoredPermission[]>;
}

const accesses = ['read', 'write', 'readwrite'] as const;

/** @throws CorruptFileError RECORD_CORRUPT */
export function readAuth(db: BboltFile): StoredAuth {
  const auth = new Map(readBucket(db, 'auth').map(({ key, value }) => [key.toString('latin1'), value]));
  const revision = auth.get('authRevision');
  if (revision !== undefined && revision.length !== 8) {
    throw corruptRecord(db, 'auth', 0, `authRevision is ${revision.length} bytes long instead of 8`);
  }
  return {
    enabled: auth.get('authEnabled')?.equals(Buffer.of(1)) ?? false,
    revision: revision?.readBigUInt64BE() ?? 0n,
    users: new Map(decodeAll(db, 'authUsers', decodeUser)),
    roles: new Map(decodeAll(db, 'authRoles', decodeRole)),
  };
}

function decodeAll<Decoded>(
  db: BboltFile,
  bucket: string,
  decode: (message: ProtoReader) => Decoded,
): [string, Decoded][] {
  return readBucket(db, bucket).map(({ key, value }, i) => {
    const fail = (what: string): Error => corruptRecord(db, bucket, i, `the record ${what}`);
    return [key.toString('latin1'), decode(new ProtoReader(fail, value))];
  });
}

function decodeUser(message: ProtoReader): StoredEtcdUser {
  let password = Buffer.alloc(0) as Buffer;
  let noPassword: boolean | undefined;
  const roles: string[] = [];
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field === 2) password = Buffer.from(message.view());
    else if (field === 3) roles.push(message.view().toString('latin1'));
    else if (field === 4) {
      message.lengthDelimited();
      noPassword = decodeOptions(message.nested());
    } else message.skip();
  }
  return { password, roles, noPassword };
}

/** `authpb.UserAddOptions`. */
export function decodeOptions(message: ProtoReader): boolean {
  let noPassword = false;
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field === 1) noPassword = message.bool();
    else message.skip();
  }
  return noPassword;
}

function decodeRole(message: ProtoReader): readonly StoredPermission[] {
  const permissions: StoredPermission[] = [];
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field !== 2) {
      message.skip();
      continue;
    }
    message.lengthDelimited();
    permissions.push(decodePermission(message.nested()));
  }
  return permissions;
}

export function decodePermission(message: ProtoReader): StoredPermission {
  let access: StoredPermission['access'] = 'read';
  let key = Buffer.alloc(0) as Buffer;
  let end = Buffer.alloc(0) as Buffer;
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field === 1) {
      const named = accesses[Number(message.uint64())];
      if (named === undefined) throw message.malformed('grants an unknown kind of access');
      access = named;
    } else if (field === 2) key = Buffer.from(message.view());
    else if (field === 3) end = Buffer.from(message.view());
    else message.skip();
  }
  return { access, key, end };
}

export function encodeUser(name: string, { password, roles, noPassword }: StoredEtcdUser): Buffer {
  const record = new ProtoWriter().bytes(1, Buffer.from(name, 'latin1')).bytes(2, password);
  for (const role of roles) record.message(3, Buffer.from(role, 'latin1'));
  if (noPassword !== undefined) record.message(4, new ProtoWriter().number(1, Number(noPassword)).finish());
  return record.finish();
}

export function encodeRole(name: string, permissions: readonly StoredPermission[]): Buffer {
  const record = new ProtoWriter().bytes(1, Buffer.from(name, 'latin1'));
  for (const { access, key, end } of permissions) {
    const permission = new ProtoWriter().number(1, accesses.indexOf(access)).bytes(2, key).bytes(3, end);
    record.message(2, permission.finish());
  }
  return record.finish();
}

export function permittedRange({ key, end }: StoredPermission): KeyRange {
  return rangeOf(key, end);
}
