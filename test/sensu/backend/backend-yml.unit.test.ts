import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { rewriteBackendYml } from '../../../src/sensu/backend/backend-yml.js';
import { runs } from '../../support/runs.js';

const target = {
  clientUrls: ['https://etcd-1:2379', 'https://etcd-2:2379'],
  trustedCaFile: '/etc/sensu/tls/ca.pem',
};

const recorded = [1, 2, 3].map((number) =>
  readFileSync(new URL(`../../../fixtures/cluster3-6.12.0/backend-${number}.yml`, import.meta.url), 'utf8'),
);

describe('rewriteBackendYml', () => {
  it.each(recorded)('keeps every line of a recorded file that is none of the embedded server', (text) => {
    const lines = rewriteBackendYml(text, target).text.split('\n');
    const kept = text.split('\n').filter((line) => !/^etcd-(?!name)/.test(line));
    expect(kept.filter((line) => !lines.includes(line))).toEqual([]);
    expect(parse(lines.join('\n'))).toMatchObject({
      'no-embed-etcd': true,
      'etcd-client-urls': target.clientUrls,
      'etcd-trusted-ca-file': target.trustedCaFile,
      'etcd-name': expect.stringMatching(/^backend-\d$/) as string,
    });
  });

  it('takes the embedded server out, its advertised URLs above all: they act as fallback endpoints', () => {
    const { text, changes } = rewriteBackendYml(recorded[0]!, target);
    const keys = Object.keys(parse(text) as object).filter((key) => key.startsWith('etcd-'));
    expect(keys.sort()).toEqual(['etcd-client-urls', 'etcd-name', 'etcd-trusted-ca-file']);
    expect(changes).toContainEqual({
      key: 'etcd-advertise-client-urls',
      before: 'http://127.0.1.1:2379',
      after: undefined,
      why: 'would go on to act, as fallback endpoints',
    });
  });

  it('keeps a comment that stood behind a value that goes', () => {
    expect(rewriteBackendYml(recorded[0]!, target).text).toContain('# new or existing');
  });

  it('takes the certificate of the old server out when the new etcd asks for none', () => {
    const { text } = rewriteBackendYml('etcd-cert-file: a\nETCD-Key-File: b\nlog-level: info\n', {
      clientUrls: ['http://etcd:2379'],
    });
    expect(parse(text)).toEqual({
      'no-embed-etcd': true,
      'etcd-client-urls': ['http://etcd:2379'],
      'log-level': 'info',
    });
  });

  it('keeps Windows line ends and the marks of a document', () => {
    const text = '---\r\n# top\r\nlog-level: info\r\n...\r\n';
    expect(rewriteBackendYml(text, { clientUrls: ['http://etcd:2379'] }).text).toBe(
      '---\r\n# top\r\nlog-level: info\r\nno-embed-etcd: true\r\netcd-client-urls:\r\n  - "http://etcd:2379"\r\n...\r\n',
    );
  });

  it('takes out lists, nested values and block texts as a whole', () => {
    const text =
      'a: 1\netcd-listen-client-urls:\n  - http://x\n  # inside\n  - http://y # last\n\n# of b\nb:\n  c: 2\netcd-discovery: |\n  one\n  two\nd: 3\n';
    const { text: after } = rewriteBackendYml(text, { clientUrls: ['http://etcd:2379'] });
    expect(parse(after)).toEqual({
      a: 1,
      'no-embed-etcd': true,
      'etcd-client-urls': ['http://etcd:2379'],
      b: { c: 2 },
      d: 3,
    });
    expect(after).toContain('\n# of b\nb:');
  });

  it('keeps every comment, also within what it takes out, and none that is no comment', () => {
    const value = fc.constantFrom(
      ...[
        'http://x',
        '"a # b"',
        "'it''s # b'",
        '|\n  # text\n  more',
        '[a, # @\n  b]',
        '# @\n  - a # @\n  # @\n  - b',
      ],
      ...['&anchor # @\n  v', '', '"two\n  # lines"'],
    );
    const name = fc.constantFrom(
      ...['log-level', 'labels', 'etcd-name', 'etcd-listen-client-urls', 'etcd-cert-file', 'etcd-discovery'],
      ...['No-Embed-Etcd', 'etcd-client-urls', 'etcd-peer-key-file'],
    );
    const lineEnd = fc.constantFrom('\n', '\r\n');
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(name, value), { selector: ([key]) => key }),
        lineEnd,
        (pairs, eol) => {
          let count = 0;
          const lines = pairs.map(
            ([key, part]) => `# @\n${key}: ${part}${/[^]\n {2}more$/.test(part) ? '' : ' # @'}\n`,
          );
          const text = `${lines.join('')}# @\n`
            .replace(/@/g, () => `c${(count += 1)}.`)
            .replaceAll('\n', eol);
          const after = rewriteBackendYml(text, target).text;
          const found = [...after.matchAll(/# c\d+\./g)].map(([comment]) => comment);
          expect(found.sort()).toEqual(
            Array.from({ length: count }, (_, index) => `# c${index + 1}.`).sort(),
          );
          expect(after.replaceAll(eol, '')).not.toMatch(/[\r\n]/);
          const kept = pairs.filter(([key]) => /^(l|etcd-name)/.test(key));
          expect(parse(after)).toMatchObject(
            parse(kept.map(([key, part]) => `${key}: ${part}\n`).join('')) ?? {},
          );
        },
      ),
      { numRuns: runs(300) },
    );
  });

  /** The trap: `name in object` is true of what every object of JavaScript has, and such lines vanished. */
  it.each(['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf'])(
    'keeps a line %s, as it is no key of its own',
    (key) => {
      const text = `${key}: 1\nlabels:\n  ${key}: "x"\n`;
      const { text: after, changes } = rewriteBackendYml(`${text}etcd-cert-file: /old\n`, target);
      expect(after.startsWith(text)).toBe(true);
      expect(changes.map((change) => change.key)).not.toContain(key);
      expect(rewriteBackendYml(after, target).changes).toEqual([]);
    },
  );

  it('starts an empty file', () => {
    expect(parse(rewriteBackendYml('', target).text)).toMatchObject({ 'no-embed-etcd': true });
    expect(parse(rewriteBackendYml('# only this', target).text)).toMatchObject({ 'no-embed-etcd': true });
  });

  it.each([
    '# f\ufffdr\n',
    '- a\n- b\n',
    'just text',
    'a: [1\n',
    'a: 1\na: 2\n',
    '{a: 1}\n',
    'a: 1\n\tb: 2\n',
  ])('refuses what it could not change safely: %j', (text) => {
    expect(() => rewriteBackendYml(text, target)).toThrow(
      expect.objectContaining({ kind: 'usage', code: 'BACKEND_YML_NOT_REWRITABLE' }) as Error,
    );
  });

  it('refuses to take out an anchor that another key uses', () => {
    expect(() => rewriteBackendYml('etcd-listen-client-urls: &u http://x\napi-url: *u\n', target)).toThrow(
      expect.objectContaining({ code: 'BACKEND_YML_NOT_REWRITABLE' }) as Error,
    );
  });

  it('leaves all other keys as they were, and its own result alone', () => {
    const name = fc.constantFrom(
      ...['log-level', 'api-url', 'etcd-name', 'labels', 'etcd-listen-peer-urls', 'no-embed-etcd'],
      ...['ETCD-Client-URLs', 'etcd-cert-file', 'etcd-quota-backend-bytes', 'deregistration-handler'],
    );
    const value = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(fc.string(), { minLength: 1 }),
      fc.dictionary(fc.string({ minLength: 1 }), fc.string(), { minKeys: 1 }),
    );
    const ours = /^(no-embed-etcd|etcd-(?!name$).*)$/i;
    fc.assert(
      fc.property(fc.dictionary(name, value, { minKeys: 1 }), fc.boolean(), (config, commented) => {
        const text = commented ? `# first\n${stringify(config)}# last\n` : stringify(config);
        const { text: after } = rewriteBackendYml(text, target);
        const others = (values: object): object =>
          Object.fromEntries(Object.entries(values).filter(([key]) => !ours.test(key)));
        expect(others(parse(after) as object)).toEqual(others(config));
        if (commented) expect(after).toMatch(/^# first\n[^]*# last\n/);
        expect(rewriteBackendYml(after, target)).toEqual({ text: after, changes: [] });
      }),
    );
  });
});
