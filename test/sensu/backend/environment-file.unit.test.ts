import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { mergeEnvironment, parseEnvironment } from '../../../src/sensu/backend/environment-file.js';

const folder = mkdtempSync(join(tmpdir(), 'sensu-ferry-env-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const name = 'SENSU_BACKEND_ETCD_CLIENT_PASSWORD';

/** What a real shell makes of the file, as Sensu's SysV script sources it. */
function sourcedBy(shell: string, text: string): string {
  const file = join(folder, 'environment');
  writeFileSync(file, text);
  return execFileSync(
    shell,
    [...(shell === 'bash' ? ['--norc'] : []), '-c', `set -a; . "$1"; printf %s "$${name}"`, 'shell', file],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {},
    },
  );
}

const password = fc
  .oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme-ascii' }))
  // eslint-disable-next-line no-control-regex -- refused by the merge, and tested apart
  .filter((text) => text !== '' && !/[\x00-\x08\x0a-\x1f\x7f]|\p{Surrogate}/u.test(text));

describe('environment file', () => {
  it.each(['sh', 'bash'])('gives %s and systemd the same bytes, whatever the password', (shell) => {
    fc.assert(
      fc.property(password, (value) => {
        const { text } = mergeEnvironment('# kept\nOTHER="a b"\n', { [name]: value });
        expect(sourcedBy(shell, text)).toBe(value);
        expect(parseEnvironment(text).get(name)).toBe(value);
      }),
      { numRuns: 60, examples: [['a"b\\c$d`e\'f #g %h !i'], ['$(reboot)'], ['\\'], ['ü€𝄞']] },
    );
  });

  it('reads what systemd reads', () => {
    const text = [
      '# comment',
      '; comment \\',
      'CONTINUED=no',
      'PLAIN=one two  ',
      'DOUBLE="a \\"b\\" \\$c \\x"',
      "SINGLE='a $b'",
      'JOINED=a\\',
      'b',
      'MIXED="a"\'b\' ',
      'PARTS="x" "y" z "q"',
      'INNER=b"c"',
      'BLANK = v',
      'export SHELL_ONLY=1',
      '1BAD=1',
      'EMPTY=',
      'not an assignment',
      'TWICE=1',
      'TWICE=2',
    ].join('\n');
    expect(Object.fromEntries(parseEnvironment(text))).toEqual({
      PLAIN: 'one two',
      DOUBLE: 'a "b" $c \\x',
      SINGLE: 'a $b',
      JOINED: 'ab',
      MIXED: 'ab',
      PARTS: 'xyz "q"',
      INNER: 'b"c"',
      BLANK: 'v',
      EMPTY: '',
      TWICE: '2',
    });
  });

  it('replaces in place, and leaves one assignment of several', () => {
    const { text, changed } = mergeEnvironment(`A=1\n${name}=x\n# between\nexport ${name}='y'\nB=2`, {
      [name]: 'z',
    });
    expect(text).toBe(`A=1\n# between\n${name}="z"\nB=2`);
    expect(changed).toEqual([name]);
  });

  it('changes nothing the second time', () => {
    const once = mergeEnvironment('A=1\n', { [name]: 'p"w' }).text;
    expect(mergeEnvironment(once, { [name]: 'p"w' })).toEqual({ text: once, changed: [] });
  });

  it.each(['a\nb', 'a\0b', 'a\rb', '\ud800'])('refuses %j without showing it', (value) => {
    expect(() => mergeEnvironment('', { [name]: value })).toThrow(
      expect.objectContaining({
        kind: 'usage',
        code: 'ENVIRONMENT_VALUE_UNUSABLE',
        message: expect.not.stringContaining(value) as string,
      }) as Error,
    );
  });

  it.each([
    ['an open comment', '# note \\', `# note \\\n\n${name}="v"\n`],
    ['a line that goes on', 'A=1\\', `A=1\\\n\n${name}="v"\n`],
    ['Windows line ends', `A=1\r\n${name}=old\r\nB=2\r\n`, `A=1\r\n${name}="v"\nB=2\r\n`],
  ])('sets a value behind %s', (_what, text, merged) => {
    expect(mergeEnvironment(text, { [name]: 'v' }).text).toBe(merged);
  });

  it.each(['# f\ufffdr\n', 'A="open', "A='open\n", `${name}=x\n# swallows \\\n${name}=y\n`])(
    'refuses %j, which would lose bytes, or in which some reader would not find the value',
    (text) => {
      expect(() => mergeEnvironment(text, { [name]: 'v' })).toThrow(
        expect.objectContaining({ kind: 'usage', code: 'ENVIRONMENT_FILE_UNUSABLE' }) as Error,
      );
    },
  );

  it('sets the value and changes no other, or refuses, whatever stands in the file', () => {
    const unit = fc.constantFrom('A', 'B=', '=', '"', "'", '\\', '\n', '\r', ' ', '#', '$', 'export ');
    let set = 0;
    fc.assert(
      fc.property(fc.string({ unit }), (text) => {
        const before = parseEnvironment(text);
        const merged = tryMerge(text);
        if (merged === undefined) return;
        set += 1;
        expect(parseEnvironment(merged)).toEqual(new Map([...before, [name, 'v']]));
      }),
      { numRuns: 500 },
    );
    expect(set).toBeGreaterThan(100);
  });
});

function tryMerge(text: string): string | undefined {
  try {
    return mergeEnvironment(text, { [name]: 'v' }).text;
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENVIRONMENT_FILE_UNUSABLE' });
    return undefined;
  }
}
