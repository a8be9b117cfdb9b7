import { describe, expect, it } from 'vitest';
import { showKey, showKeys } from '../../../src/sensu/keys/key-name.js';

describe('keys as they are shown', () => {
  it('hides API keys and session ids, and tells two of them apart', () => {
    const one = showKey(Buffer.from('/sensu.io/apikeys/383de6e7'));
    const other = showKey(Buffer.from('/sensu.io/apikeys/5b811627'));
    expect(one).toMatch(/^\/sensu\.io\/apikeys\/\(hidden, sha256 [0-9a-f]{12}\)$/);
    expect(other).not.toBe(one);
    expect(showKey(Buffer.from('/sensu.io/user_sessions/admin/b52a9098'))).toMatch(
      /^\/sensu\.io\/user_sessions\/admin\/\(hidden, /,
    );
  });

  it('shows other keys as they are, and bytes that would disturb a terminal escaped', () => {
    expect(showKey(Buffer.from('/sensu.io/checks/default/cpu'))).toBe('/sensu.io/checks/default/cpu');
    expect(showKey(Buffer.from('/sensu.io/\u001b[2Jx'))).toBe('/sensu.io/\\u001b[2Jx');
    expect(showKey(Buffer.from('/sensu.io/\u009b2J\u202ex'))).toBe('/sensu.io/\\u{9b}2J\\u{202e}x');
  });

  it('shows a long key by its beginning, and tells two of one beginning apart', () => {
    const long = (end: string): string => showKey(Buffer.from(`/sensu.io/${'k'.repeat(100_000)}${end}`));
    expect(long('a')).toMatch(/^\/sensu\.io\/k{190}\.\.\. \(97\.7 KiB, sha256 [0-9a-f]{12}\)$/);
    expect(long('a')).not.toBe(long('b'));
  });

  it('shows the first few of many', () => {
    const keys = ['a', 'b', 'c', 'd'].map((name) => Buffer.from(name));
    expect(showKeys(keys)).toBe('a, b, c and 1 more');
    expect(showKeys(keys.slice(0, 2))).toBe('a, b');
    expect(showKeys(keys.slice(0, 2), 9)).toBe('a, b and 7 more');
  });
});
