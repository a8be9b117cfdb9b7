import { FerryError, type Failure } from '../core/errors.js';

/** What grpc-js rejects a call with, and this program's own channel too. */
interface GrpcFailure extends Error {
  readonly code: number;
  readonly details: string;
}

export class GrpcError extends Error implements GrpcFailure {
  override readonly name = 'GrpcError';
  readonly code: number;
  readonly details: string;

  constructor(code: number, details: string) {
    super(details);
    this.code = code;
    this.details = details;
  }
}

export const GrpcStatus = {
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  permissionDenied: 7,
  resourceExhausted: 8,
  unavailable: 14,
  unauthenticated: 16,
} as const;

function isGrpcFailure(error: unknown): error is GrpcFailure {
  return error instanceof Error && 'details' in error && 'code' in error && typeof error.code === 'number';
}

/**
 * A token that has ended, in the three forms in which etcd says so. The client etcd3 knows the first only; with
 * JWT tokens any change of users or roles brings about the second, and a restarted member the third.
 */
export function isTokenEnded(error: unknown): boolean {
  return (
    isGrpcFailure(error) &&
    /invalid auth token|revision of auth store is old|user name is empty/.test(error.details)
  );
}

/** True when the member did not take the request, so that sending it to another one cannot apply it twice. */
export function isNotSent(error: unknown): boolean {
  return (
    isGrpcFailure(error) &&
    // 3.6 and later send a learner's refusal with another code than 3.5.
    (error.code === GrpcStatus.unavailable || isLearnersRefusal(error)) &&
    /for learner|No connection established|Failed to connect|Name resolution failed|no leader|not leader/.test(
      error.details,
    )
  );
}

/** True when another member may answer a read that this one did not. */
export function isPassing(error: unknown): boolean {
  return (
    isGrpcFailure(error) &&
    (error.code === GrpcStatus.unavailable ||
      isTimeout(error) ||
      isLearnersRefusal(error) ||
      /leader changed|too many requests/.test(error.details))
  );
}

function isLearnersRefusal(error: GrpcFailure): boolean {
  return /rpc not supported for learner/.test(error.details);
}

export function isLeaderless(error: unknown): boolean {
  return isGrpcFailure(error) && /no leader|request timed out/.test(error.details);
}

/** `quorum`: how many members answer, of how many. */
export function noLeader(quorum: string, cause: unknown): FerryError {
  return new FerryError({
    kind: 'unreachable',
    code: 'ETCD_NO_LEADER',
    message: `etcd has no leader: ${quorum}.`,
    hint: 'Start the other members again: more than half of them must be up. Of members that cannot be started, snapshot save --data-dir takes what they hold.',
    cause,
  });
}

export function isTimeout(error: unknown): boolean {
  return isGrpcFailure(error) && error.code === GrpcStatus.deadlineExceeded;
}

/** True when etcd knows the user, but does not permit the request. */
export function isDenied(error: unknown): boolean {
  return isGrpcFailure(error) && /permission denied/.test(error.details);
}

type Row = readonly [text: RegExp, kind: Failure['kind'], code: string, sentence: string, hint: string];

/** etcd's own words, which are the same from 3.4 to 3.6, and what they mean to an operator. */
const rows: readonly Row[] = [
  [
    /authentication failed, (invalid user ID or password|password was given for no password user)/,
    'denied',
    'ETCD_LOGIN_REFUSED',
    'refuses the user name or the password',
    'Check --user and the password file.',
  ],
  [
    /user name is empty/,
    'denied',
    'ETCD_AUTH_REQUIRED',
    'has auth enabled and was given no user name',
    'Add --user and --password-file.',
  ],
  [
    /authentication is not enabled/,
    'refused',
    'ETCD_AUTH_OFF',
    'has no auth, so a user name cannot be checked',
    'Leave out --user, or enable auth.',
  ],
  [
    /permission denied/,
    'denied',
    'ETCD_PERMISSION_DENIED',
    'does not permit this to the user',
    'Use a user with the grant, or root.',
  ],
  [
    /invalid auth token|revision of auth store is old/,
    'denied',
    'ETCD_TOKEN_ENDED',
    'ended the session again and again',
    'Try again when users and roles are no longer being changed.',
  ],
  [
    /root user does not exist|root user does not have root role/,
    'refused',
    'ETCD_ROOT_MISSING',
    'has no user root with the role root, without which auth cannot be enabled',
    "Create it: 'sensu-ferry rbac apply --enable-auth' does.",
  ],
  [
    /database space exceeded/,
    'refused',
    'ETCD_NO_SPACE',
    'is full to its quota',
    'Raise --quota-backend-bytes, compact and defragment, then etcdctl alarm disarm. A second run goes on where this one stopped.',
  ],
  [
    /request is too large|message larger than max/,
    'refused',
    'REQUEST_TOO_LARGE',
    'refuses a request as too large',
    'Start its members with a larger --max-request-bytes, as the source has it.',
  ],
  [
    /too many operations in txn/,
    'failed',
    'TOO_MANY_OPERATIONS',
    'refuses a transaction with so many operations',
    'Start its members with --max-txn-ops 128 or more.',
  ],
  [/too many requests/, 'failed', 'TOO_MANY_REQUESTS', 'is overloaded', 'Try again later.'],
  [
    /required revision has been compacted/,
    'failed',
    'STORE_COMPACTED',
    'has compacted the revision that was being read',
    'Try again; turn automatic compaction off for a while when it happens again.',
  ],
  [
    /future revision/,
    'failed',
    'STORE_BEHIND',
    'has not reached the revision that was asked for',
    'Check that all endpoints belong to one cluster.',
  ],
  [
    /no leader|leader changed|not leader|request timed out/,
    'unreachable',
    'ETCD_NO_LEADER',
    'has no leader',
    'More than half of the members must be up: etcdctl endpoint status --cluster.',
  ],
  [
    /rpc not supported for learner/,
    'unreachable',
    'ETCD_LEARNER',
    'is a learner, which answers almost nothing',
    'Name a voting member, or promote this one: etcdctl member promote.',
  ],
  [/lease already exists/, 'failed', 'LEASE_EXISTS', 'has a lease of that id already', ''],
  [/requested lease not found/, 'failed', 'LEASE_NOT_FOUND', 'has no such lease', ''],
  [/user name not found/, 'failed', 'ETCD_USER_NOT_FOUND', 'has no such user', ''],
  [/role name not found/, 'failed', 'ETCD_ROLE_NOT_FOUND', 'has no such role', ''],
  [
    // grpc-js's words for an answer that is no gRPC: a web server, a proxy, or Sensu's API.
    /Received HTTP status code|Protocol error|invalid content type/i,
    'unreachable',
    'ENDPOINT_NOT_ETCD',
    'does not answer as etcd does',
    'Give the client URLs of etcd, port 2379 by default, and not the API of Sensu or a web server.',
  ],
  [
    /corrupt cluster/,
    'integrity',
    'ETCD_CORRUPT',
    'has raised a CORRUPT alarm: its members disagree about their data',
    'Replace the corrupt member.',
  ],
];

/** Any failure of a request as the program's own error. Never holds a key, a value or a password. */
export function asEtcdError(error: unknown, endpoint: string, deadlineMs: number): unknown {
  if (!isGrpcFailure(error)) return error;
  const row = rows.find(([text]) => text.test(error.details));
  if (row !== undefined) {
    const [, kind, code, sentence, hint] = row;
    return new FerryError({ kind, code, message: `etcd at ${endpoint} ${sentence}.`, hint, cause: error });
  }
  if (error.code === GrpcStatus.deadlineExceeded) {
    return new FerryError({
      kind: 'unreachable',
      code: 'ETCD_TIMEOUT',
      message: `etcd at ${endpoint} did not answer within ${deadlineMs / 1000} s.`,
      hint: 'Check the network, and that more than half of the members are up.',
      cause: error,
    });
  }
  if (error.code === GrpcStatus.unavailable || error.code === GrpcStatus.cancelled) {
    return new FerryError({
      kind: 'unreachable',
      code: 'ETCD_UNREACHABLE',
      message: `etcd at ${endpoint} cannot be reached: ${reasonOf(error.details)}.`,
      hint: 'Check the URL, the network and that etcd is running.',
      cause: error,
    });
  }
  return new FerryError({
    kind: 'failed',
    code: 'ETCD_FAILED',
    message: `etcd at ${endpoint} answered: ${error.details}.`,
    hint: 'Look at the log of that member.',
    cause: error,
  });
}

/**
 * The reason alone out of grpc-js's `No connection established. Last error: Error: ... . Resolution note: `, and out of
 * the `The pending stream has been canceled (caused by: ...)` that Node makes of a connection that ended meanwhile.
 */
function reasonOf(details: string): string {
  const cause = /\(caused by: (?:Error: )?([^()]+)\)$/.exec(details)?.[1];
  if (cause !== undefined) return cause;
  const lastError = /Last error: (?:Error: )?(.*?)\.? Resolution note: /.exec(details)?.[1];
  if (lastError === undefined) return details.replace(/\.$/, '');
  return lastError === 'undefined' ? 'no connection was made' : lastError;
}
