import { expect, test } from 'vitest';
import { tokenKindOf } from '../../src/etcd/token-kind.js';

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

test.each([
  ['as etcd gives it by default', 'XpKxAdkqLbzdwQRf.17', 'simple'],
  ['signed', `${part({ alg: 'RS256', typ: 'JWT' })}.${part({ username: 'sensu' })}.c2lnbmF0dXJl`, 'jwt'],
  ['three words', 'not.a.token', 'unknown'],
  ['of another length', 'XpKxAdkqLbzdwQR.17', 'unknown'],
  ['nothing', '', 'unknown'],
])('a token %s is told by its form', (_what, token, kind) => {
  expect(tokenKindOf(token)).toBe(kind);
});
