import { expect, test } from 'vitest';
import { asEtcdError, isNotSent, isPassing, isTokenEnded } from '../../src/etcd/errors.js';

function grpcFailure(code: number, details: string): Error {
  return Object.assign(new Error(`${code} ${details}`), { code, details });
}

const endpoint = 'https://etcd-1:2379';

test.each([
  [
    'No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:1. Resolution note: ',
    'etcd at https://etcd-1:2379 cannot be reached: connect ECONNREFUSED 127.0.0.1:1.',
  ],
  [
    'No connection established. Last error: undefined. Resolution note: ',
    'etcd at https://etcd-1:2379 cannot be reached: no connection was made.',
  ],
  [
    'The pending stream has been canceled (caused by: connect ECONNREFUSED 127.0.0.1:1)',
    'etcd at https://etcd-1:2379 cannot be reached: connect ECONNREFUSED 127.0.0.1:1.',
  ],
  ['Connection dropped', 'etcd at https://etcd-1:2379 cannot be reached: Connection dropped.'],
])('%s', (details, message) => {
  expect(asEtcdError(grpcFailure(14, details), endpoint, 1000)).toMatchObject({
    kind: 'unreachable',
    code: 'ETCD_UNREACHABLE',
    message,
  });
});

// Such a write may have been applied: sent again, it would be applied over what came in between.
test.each(['Connection dropped', 'Call dropped by load balancing policy', 'etcdserver: leader changed'])(
  'a write that met "%s" is not sent again, a read is',
  (details) => {
    expect(isNotSent(grpcFailure(14, details))).toBe(false);
    expect(isPassing(grpcFailure(14, details))).toBe(true);
  },
);

test('a write that never left is sent to another member', () => {
  const details = 'No connection established. Last error: Error: connect ECONNREFUSED. Resolution note: ';
  expect(isNotSent(grpcFailure(14, details))).toBe(true);
  expect(isNotSent(grpcFailure(14, 'etcdserver: no leader'))).toBe(true);
});

// etcd3 knows the first of them only.
test.each([
  [16, 'etcdserver: invalid auth token'],
  [3, 'etcdserver: revision of auth store is old'],
  [3, 'etcdserver: user name is empty'],
])('%i %s ends a token', (code, details) => {
  expect(isTokenEnded(grpcFailure(code, details))).toBe(true);
});

test('a failed deadline is told in seconds, and errors that are not of gRPC stay what they are', () => {
  expect(asEtcdError(grpcFailure(4, 'Deadline exceeded'), endpoint, 2500)).toMatchObject({
    code: 'ETCD_TIMEOUT',
    message: 'etcd at https://etcd-1:2379 did not answer within 2.5 s.',
  });
  const other = new TypeError('defect');
  expect(asEtcdError(other, endpoint, 1000)).toBe(other);
});
