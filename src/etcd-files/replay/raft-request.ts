import { decodeAuthRequest, type AuthRequest } from './auth-request.js';
import { nobody, type Sender } from './auth-state.js';
import { rangeOf } from '../mvcc/key-range.js';
import type { ProtoReader } from '../../protobuf/proto-reader.js';
import type { KeyRange } from '../../store/types.js';

/** One operation of a transaction, or a request of its own. */
export type KeyRequest =
  | {
      readonly type: 'put';
      readonly key: Buffer;
      readonly value: Buffer;
      readonly lease: bigint;
      /** Keep the value that the key has; so with the lease. Both fail where there is no such key. */
      readonly ignoreValue: boolean;
      readonly ignoreLease: boolean;
      /** The answer shows what was there before, which the sender must be allowed to read. */
      readonly showsBefore: boolean;
    }
  | { readonly type: 'delete'; readonly range: KeyRange; readonly showsBefore: boolean }
  /** Reads nothing that matters here, but a revision that is out of reach fails the transaction. */
  | { readonly type: 'range'; readonly range: KeyRange; readonly revision: bigint }
  | TxnRequest;

export interface TxnRequest {
  readonly type: 'txn';
  readonly compares: readonly Compare[];
  readonly success: readonly KeyRequest[];
  readonly failure: readonly KeyRequest[];
}

/** A comparison holds when it holds for every key of the range, or for a key that is all zero when none is there. */
export interface Compare {
  readonly range: KeyRange;
  readonly result: 'equal' | 'greater' | 'less' | 'not-equal';
  readonly target: 'version' | 'create' | 'mod' | 'value' | 'lease';
  /** For `value`: bytes, for the others a number. 0 or empty where the request gives one for another target. */
  readonly number: bigint;
  readonly value: Buffer;
}

/** What a raft entry asks the store to do: etcd's `InternalRaftRequest` as far as it concerns the store. */
export type RaftRequest =
  | KeyRequest
  | { readonly type: 'compaction'; readonly revision: bigint }
  | { readonly type: 'lease-grant'; readonly id: bigint; readonly ttl: bigint }
  | { readonly type: 'lease-revoke'; readonly id: bigint }
  | {
      readonly type: 'alarm';
      readonly action: 'get' | 'activate' | 'deactivate';
      readonly memberId: bigint;
      readonly alarm: bigint;
    }
  | { readonly type: 'cluster-version'; readonly version: string }
  | { readonly type: 'auth'; readonly request: AuthRequest }
  /** Changes nothing that a snapshot is for; `name` is etcd's own for the request. */
  | { readonly type: 'other'; readonly name: string };

export interface SentRequest {
  readonly request: RaftRequest;
  readonly sender: Sender;
}

/**
 * Requests that change nothing that a snapshot is for, by field number. A checkpoint says how much of a lease's time
 * is left, which a restore grants anew; members and a downgrade that was under way are not those of the new cluster.
 */
const otherRequests: Readonly<Record<number, string>> = {
  11: 'lease_checkpoint',
  1012: 'authenticate',
  1013: 'auth_status',
  1102: 'auth_user_get',
  1106: 'auth_user_list',
  1107: 'auth_role_list',
  1202: 'auth_role_get',
  1301: 'cluster_member_attr_set',
  1302: 'downgrade_info_set',
  9900: 'downgrade_version_test',
};

const idField = 1;
const v2Field = 2;
const headerField = 100;

/**
 * Decodes `etcdserverpb.InternalRaftRequest`. Up to 3.5, requests of the v2 API are in the log too, inside it
 * (field 2) or bare; a bare one has its method, a string, as field 2, so both are known by that field.
 * Keys and values are parts of the message's bytes.
 */
export function decodeRaftRequest(message: ProtoReader): SentRequest {
  let request: RaftRequest = { type: 'other', name: 'empty' };
  let sender = nobody;
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field === v2Field) return { request: { type: 'other', name: 'v2' }, sender };
    if (field === idField) message.skip();
    else if (field === headerField) {
      message.lengthDelimited();
      sender = decodeHeader(message.nested());
    } else request = decodeBody(message, field);
  }
  return { request, sender };
}

/** `etcdserverpb.RequestHeader`. */
function decodeHeader(message: ProtoReader): Sender {
  let user = '';
  let authRevision = 0n;
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field === 2) user = message.view().toString('latin1');
    else if (field === 3) authRevision = message.uint64();
    else message.skip();
  }
  return user === '' && authRevision === 0n ? nobody : { user, authRevision };
}

function decodeBody(message: ProtoReader, field: number): RaftRequest {
  message.lengthDelimited();
  const body = message.nested();
  switch (field) {
    case 3:
      return decodeRange(body);
    case 4:
      return decodePut(body);
    case 5:
      return decodeDelete(body);
    case 6:
      return decodeTxn(body, 0);
    case 7:
      return { type: 'compaction', revision: numbers(body).get(1) ?? 0n };
    case 8: {
      const grant = numbers(body);
      return { type: 'lease-grant', ttl: grant.get(1) ?? 0n, id: grant.get(2) ?? 0n };
    }
    case 9:
      return { type: 'lease-revoke', id: numbers(body).get(1) ?? 0n };
    case 10:
      return decodeAlarm(body);
    case 1300:
      return { type: 'cluster-version', version: decodeVersion(body) };
    default: {
      const request = decodeAuthRequest(field, body);
      if (request !== undefined) return { type: 'auth', request };
      const name = otherRequests[field];
      // etcd, too, does not start on a log that asks for what it does not know.
      if (name === undefined) throw message.malformed(`asks for what no known etcd does (field ${field})`);
      return { type: 'other', name };
    }
  }
}

/** A message of nothing but int64 fields. */
function numbers(message: ProtoReader): Map<number, bigint> {
  const found = new Map<number, bigint>();
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (message.wireType === 0) found.set(field, message.int64());
    else message.skip();
  }
  return found;
}

function decodeAlarm(body: ProtoReader): RaftRequest {
  const found = numbers(body);
  const action = (['get', 'activate', 'deactivate'] as const)[Number(found.get(1) ?? 0n)] ?? 'get';
  const memberId = BigInt.asUintN(64, found.get(2) ?? 0n);
  return { type: 'alarm', action, memberId, alarm: found.get(3) ?? 0n };
}

function decodeVersion(body: ProtoReader): string {
  let version = '';
  for (let field = body.field(); field !== 0; field = body.field()) {
    if (field === 1) version = body.string();
    else body.skip();
  }
  return version;
}

function decodePut(body: ProtoReader): KeyRequest {
  let key = Buffer.alloc(0) as Buffer;
  let value = Buffer.alloc(0) as Buffer;
  let lease = 0n;
  let ignoreValue = false;
  let ignoreLease = false;
  let showsBefore = false;
  for (let field = body.field(); field !== 0; field = body.field()) {
    if (field === 1) key = body.view();
    else if (field === 2) value = body.view();
    else if (field === 3) lease = body.int64();
    else if (field === 4) showsBefore = body.bool();
    else if (field === 5) ignoreValue = body.bool();
    else if (field === 6) ignoreLease = body.bool();
    else body.skip();
  }
  return { type: 'put', key, value, lease, ignoreValue, ignoreLease, showsBefore };
}

function decodeDelete(body: ProtoReader): KeyRequest {
  let key = Buffer.alloc(0) as Buffer;
  let end = Buffer.alloc(0) as Buffer;
  let showsBefore = false;
  for (let field = body.field(); field !== 0; field = body.field()) {
    if (field === 1) key = body.view();
    else if (field === 2) end = body.view();
    else if (field === 3) showsBefore = body.bool();
    else body.skip();
  }
  return { type: 'delete', range: rangeOf(key, end), showsBefore };
}

function decodeRange(body: ProtoReader): KeyRequest {
  let key = Buffer.alloc(0) as Buffer;
  let end = Buffer.alloc(0) as Buffer;
  let revision = 0n;
  for (let field = body.field(); field !== 0; field = body.field()) {
    if (field === 1) key = body.view();
    else if (field === 2) end = body.view();
    else if (field === 4) revision = body.int64();
    else body.skip();
  }
  return { type: 'range', range: rangeOf(key, end), revision };
}

/** Transactions nest; deeper than this is no request that a client sent. */
const deepestTxn = 64;

function decodeTxn(body: ProtoReader, depth: number): TxnRequest {
  if (depth > deepestTxn) throw body.malformed('has transactions nested too deeply');
  const compares: Compare[] = [];
  const success: KeyRequest[] = [];
  const failure: KeyRequest[] = [];
  for (let field = body.field(); field !== 0; field = body.field()) {
    if (field < 1 || field > 3) {
      body.skip();
      continue;
    }
    body.lengthDelimited();
    const part = body.nested();
    if (field === 1) compares.push(decodeCompare(part));
    else (field === 2 ? success : failure).push(...decodeOperation(part, depth));
  }
  return { type: 'txn', compares, success, failure };
}

/** One operation, or none where the message is empty. */
function decodeOperation(message: ProtoReader, depth: number): KeyRequest[] {
  let operation: KeyRequest | undefined;
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field < 1 || field > 4) {
      message.skip();
      continue;
    }
    message.lengthDelimited();
    const body = message.nested();
    if (field === 1) operation = decodeRange(body);
    else if (field === 2) operation = decodePut(body);
    else if (field === 3) operation = decodeDelete(body);
    else operation = decodeTxn(body, depth + 1);
  }
  return operation ? [operation] : [];
}

const compareResults = ['equal', 'greater', 'less', 'not-equal'] as const;
const compareTargets = ['version', 'create', 'mod', 'value', 'lease'] as const;
/** Which field carries the operand of which target. */
const operandFields = { version: 4, create: 5, mod: 6, value: 7, lease: 8 } as const;

function decodeCompare(message: ProtoReader): Compare {
  let result: Compare['result'] = 'equal';
  let target: Compare['target'] = 'version';
  let key = Buffer.alloc(0) as Buffer;
  let end = Buffer.alloc(0) as Buffer;
  let operandField = 0;
  let number = 0n;
  let value = Buffer.alloc(0) as Buffer;
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field === 1) result = compareResults[Number(message.uint64())] ?? 'equal';
    else if (field === 2) target = compareTargets[Number(message.uint64())] ?? 'version';
    else if (field === 3) key = message.view();
    else if (field === 7) {
      operandField = field;
      value = message.view();
    } else if (field >= 4 && field <= 8) {
      operandField = field;
      number = message.int64();
    } else if (field === 64) end = message.view();
    else message.skip();
  }
  const fits = operandField === operandFields[target];
  return {
    range: rangeOf(key, end),
    result,
    target,
    number: fits && target !== 'value' ? number : 0n,
    value: fits && target === 'value' ? value : Buffer.alloc(0),
  };
}
