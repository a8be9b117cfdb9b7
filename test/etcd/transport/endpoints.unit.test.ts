import { expect, test } from 'vitest';
import { normalizeEndpoints } from '../../../src/etcd/transport/endpoints.js';

test.each([
  ['https://etcd-1:2379', 'https://etcd-1:2379'],
  ['https://etcd-1:2379/', 'https://etcd-1:2379'],
  ['https://etcd-1', 'https://etcd-1:2379'],
  ['etcd-1:4001', 'http://etcd-1:4001'],
  ['10.0.0.7', 'http://10.0.0.7:2379'],
  ['http://[::1]:2379', 'http://[::1]:2379'],
  ['HTTPS://Etcd-1', 'https://etcd-1:2379'],
])('%s becomes %s', (given, normalized) => {
  expect(normalizeEndpoints([given])).toEqual([normalized]);
});

// The URL parser drops the default ports of its schemes; 2379 in their place would be another server.
test.each([
  ['https://etcd-1:443', 'https://etcd-1:443'],
  ['http://etcd-1:80/', 'http://etcd-1:80'],
  ['http://[::443]', 'http://[::443]:2379'],
])('%s keeps its port', (given, normalized) => {
  expect(normalizeEndpoints([given])).toEqual([normalized]);
});

test.each([
  [['http://a:2379,http://b:2379'], 'list'],
  [['http://a:2379 http://b:2379'], 'list'],
  [['http://a:2379', 'https://b:2379'], 'mix'],
  [['unix:///run/etcd.sock'], 'not an http'],
  [['http://a:2379/v3'], 'behind its port'],
  [['http://a:notaport'], 'not a URL'],
  [[], 'No etcd endpoint'],
])('%j is refused', (given, words) => {
  expect(() => normalizeEndpoints(given)).toThrow(
    expect.objectContaining({
      kind: 'usage',
      code: 'ENDPOINT_UNUSABLE',
      message: expect.stringContaining(words) as string,
    }),
  );
});

test('a password in a URL is refused and not repeated', () => {
  const refuse = (): unknown => normalizeEndpoints(['http://root:hunter2@a:2379']);
  expect(refuse).toThrow(/User and password/);
  expect(refuse).not.toThrow(/hunter2/);
});

// Also one that was cut at the comma in its password, as the list of an option is.
test.each([
  ['http//root:hunter2@a:2379'],
  ['http://root:hunter2@a:port'],
  ['unix://root:hunter2@a'],
  ['http://root:hunter2'],
  ['root:hunter2'],
  ['http://root:hun@ter2 @a:2379'],
])('a password in %s, which is no URL, is not repeated', (given) => {
  const refuse = (): unknown => normalizeEndpoints([given]);
  expect(refuse).toThrow(expect.objectContaining({ code: 'ENDPOINT_UNUSABLE' }));
  expect(refuse).not.toThrow(/hunter2|ter2/);
});

test('where passwords go, http is not guessed', () => {
  const withPasswords = { sendsPasswords: true };
  expect(() => normalizeEndpoints(['https://a', 'b:2379'], withPasswords)).toThrow(
    expect.objectContaining({ kind: 'usage', code: 'ENDPOINT_WITHOUT_SCHEME' }),
  );
  expect(normalizeEndpoints(['http://a'], withPasswords)).toEqual(['http://a:2379']);
});

test('the same member twice is one endpoint', () => {
  expect(normalizeEndpoints(['http://a', 'http://a:2379/'])).toEqual(['http://a:2379']);
});
