import { expect, test } from 'vitest';
import { isInClear, maskPassword } from '../../src/core/urls.js';

test.each([
  ['http://localhost:8080', false],
  ['http://127.0.0.2:2379', false],
  ['http://[::1]:2379', false],
  ['https://etcd-1:2379', false],
  ['http://etcd-1:2379', true],
  ['http://10.0.0.7:2379', true],
  // A name that anybody may have registered.
  ['http://127.example.com:2379', true],
  ['http://localhost.example.com', true],
])('whether %s is in clear for others: %s', (url, answer) => {
  expect(isInClear(url)).toBe(answer);
});

test.each([
  ['http://root:pw@etcd-1:2379', 'http://***@etcd-1:2379'],
  ['https://key:se/cr@et@minio/bucket', 'https://***@minio/bucket'],
  ['http://etcd-1:2379', 'http://etcd-1:2379'],
  ['http://[::1]:2379/', 'http://[::1]:2379/'],
  ['etcd-1:2379', 'etcd-1:2379'],
  ['/var/backups', '/var/backups'],
  ['root:pw', 'root:***'],
  ['root:1pw', 'root:***'],
  ['http://127.0.0.1:1\u001b[2J', 'http://127.0.0.1:1\u001b[2J'],
])('%s is shown as %s', (given, shown) => {
  expect(maskPassword(given)).toBe(shown);
});
