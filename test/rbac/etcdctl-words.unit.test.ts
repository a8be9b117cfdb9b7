import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { grantCommand, grantWords, rangeWords, revokeCommand } from '../../src/rbac/etcdctl-words.js';
import { sensuRole, wantedGrants } from '../../src/rbac/wanted.js';

const zero = Buffer.from([0]);

describe('grants in the words of etcdctl', () => {
  test('the profiles', () => {
    expect(wantedGrants('documented').map(grantWords)).toEqual([
      'readwrite --from-key /sensu.io/',
      'read /sensu.io',
    ]);
    expect(wantedGrants('least').map(grantWords)).toEqual([
      'readwrite --prefix=true /sensu.io/',
      'read /sensu.io',
    ]);
    expect(wantedGrants('init').map(grantWords)).toEqual([
      'readwrite --from-key /sensu.io/',
      'read /sensu.io',
      'readwrite --prefix=true .initialized.lock/',
      'read .initialized',
    ]);
  });

  test('a command that can be pasted', () => {
    expect(grantCommand(sensuRole, { access: 'read', key: Buffer.from('/sensu.io') })).toBe(
      'etcdctl role grant-permission sensu_readwrite read /sensu.io',
    );
    expect(revokeCommand(sensuRole, { key: Buffer.from('a b'), end: Buffer.from('c') })).toBe(
      "etcdctl role revoke-permission sensu_readwrite 'a b' c",
    );
    expect(rangeWords({ key: zero, end: zero })).toBe("--prefix=true ''");
  });

  test.each([
    ['a quote', "it's"],
    ['a backslash and a quote', "\\'"],
    ['a dollar', '$HOME'],
    ['a leading dash', '-x'],
    ['bytes that are no text', '\xff\x01/'],
    ['nothing but a line end', '\n'],
  ])('a shell reads back a key with %s', (_what, text) => {
    const key = Buffer.from(text, 'latin1');
    const script = `printf %s ${rangeWords({ key })}`;
    expect(execFileSync('bash', ['-c', script])).toEqual(key);
  });
});
