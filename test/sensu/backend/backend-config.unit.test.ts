import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import {
  parseBackendConfig,
  readBackendConfig,
  type BackendConfig,
  type ConfigSources,
} from '../../../src/sensu/backend/backend-config.js';
import type { SettingName } from '../../../src/sensu/backend/backend-settings.js';

const folder = mkdtempSync(join(tmpdir(), 'sensu-ferry-config-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function parse(text: string, sources: Partial<ConfigSources> = {}): BackendConfig {
  return parseBackendConfig(text, { backendYml: 'backend.yml', ...sources });
}

const codes = (config: BackendConfig): string[] => config.findings.map(({ code }) => code);

describe('a recorded backend.yml', () => {
  it.each([1, 2, 3])('gives the source of member %i', async (number) => {
    const path = new URL(`../../../fixtures/cluster3-6.12.0/backend-${number}.yml`, import.meta.url);
    const config = await readBackendConfig({ backendYml: fileURLToPath(path) });
    expect(config.get('etcd-name')).toEqual({ value: `backend-${number}`, origin: 'file' });
    expect(config.get('no-embed-etcd')).toEqual({ value: false, origin: 'default' });
    expect(config.clientEndpoints).toEqual([`http://127.0.1.${number}:2379`]);
    expect(config.dataDirectory).toMatch(/\/etcd$/);
    expect(config.findings).toEqual([]);
  });
});

describe('a setting below another key', () => {
  it('has no effect in Sensu, and is said', () => {
    const config = parse(
      'etcd:\n  etcd-client-urls: http://127.0.0.1:2379\n  deeper:\n    - state-dir: /x\n',
    );
    expect(config.findings).toMatchObject([
      {
        code: 'KEYS_NESTED',
        sentence: expect.stringContaining('etcd-client-urls, state-dir below the key "etcd"') as string,
      },
    ]);
  });

  it("is none where the names are the operator's own", () => {
    expect(codes(parse('labels:\n  etcd-name: a\nannotations:\n  api-url: b\netcd-name: c\n'))).toEqual([]);
  });
});

describe('what is not set', () => {
  it('has the defaults of Sensu 6', () => {
    const config = parse('');
    expect(config.dataDirectory).toBe('/var/lib/sensu/sensu-backend/etcd');
    expect(config.clientEndpoints).toEqual(['http://localhost:2379']);
    expect(config.get('etcd-name')).toEqual({ value: 'default', origin: 'default' });
  });

  it('is also a key without a value', () => {
    expect(parse('etcd-name:\n').get('etcd-name').origin).toBe('default');
  });
});

describe('precedence', () => {
  const text = 'state-dir: /file\n';
  const environment = { SENSU_BACKEND_STATE_DIR: '/environment' };

  it('is flag, variable, file', () => {
    const flags = ['start', '--state-dir', '/flag'];
    expect(parse(text, { environment, flags }).get('state-dir')).toEqual({ value: '/flag', origin: 'flag' });
    expect(parse(text, { environment }).get('state-dir')).toEqual({
      value: '/environment',
      origin: 'environment',
    });
    expect(parse(text).get('state-dir')).toEqual({ value: '/file', origin: 'file' });
  });

  it('passes over an empty variable', () => {
    expect(parse(text, { environment: { SENSU_BACKEND_STATE_DIR: '' } }).get('state-dir').value).toBe(
      '/file',
    );
  });

  it('lets the last flag win', () => {
    const flags = ['--etcd-client-urls', 'http://a:2379', '--etcd-client-urls=http://b:2379 http://c:2379'];
    expect(parse('no-embed-etcd: true', { flags }).clientEndpoints).toEqual([
      'http://b:2379',
      'http://c:2379',
    ]);
  });

  it('gathers a flag that is a list', () => {
    const flags = [
      '--etcd-listen-client-urls',
      'http://a:1,http://b:1',
      '--etcd-listen-client-urls=http://c:1',
    ];
    expect(parse('', { flags }).get('etcd-listen-client-urls').value).toEqual([
      'http://a:1',
      'http://b:1',
      'http://c:1',
    ]);
  });
});

describe('the endpoints of the backend', () => {
  const text = 'etcd-client-urls: [http://external:2379]\netcd-advertise-client-urls: [http://own:2379]\n';

  it('are not etcd-client-urls while its etcd is embedded: nobody reads them then', () => {
    expect(parse(text).clientEndpoints).toEqual(['http://own:2379']);
  });

  it('are etcd-client-urls on an external etcd, or else the advertised ones', () => {
    expect(parse(`no-embed-etcd: true\n${text}`).clientEndpoints).toEqual(['http://external:2379']);
    expect(parse('no-embed-etcd: true\netcd-advertise-client-urls: http://own:2379').clientEndpoints).toEqual(
      ['http://own:2379'],
    );
  });
});

describe('lists', () => {
  const name = 'etcd-client-urls' satisfies SettingName;
  const both = ['http://a:2379', 'http://b:2379'];

  it.each([
    ['a YAML list', 'etcd-client-urls:\n  - http://a:2379\n  - http://b:2379\n'],
    ['a string with blanks', 'etcd-client-urls: "http://a:2379   http://b:2379"\n'],
    ['a text of several lines', 'etcd-client-urls: >\n  http://a:2379\n  http://b:2379\n'],
  ])('are %s', (_what, text) => {
    const config = parse(text);
    expect(config.get(name).value).toEqual(both);
    expect(config.findings).toEqual([]);
  });

  it('are split at blanks in a variable', () => {
    const environment = { SENSU_BACKEND_ETCD_CLIENT_URLS: both.join(' ') };
    expect(parse('', { environment }).get(name).value).toEqual(both);
  });

  it.each<[string, Partial<ConfigSources>]>([
    [`${name}: "${both.join(',')}"`, {}],
    [`${name}: ["${both.join(',')}"]`, {}],
    ['', { environment: { SENSU_BACKEND_ETCD_CLIENT_URLS: both.join(',') } }],
    ['', { flags: ['--etcd-client-urls', both.join(',')] }],
  ])('with commas are one URL that leads nowhere: %j %j', (text, sources) => {
    const config = parse(text, sources);
    expect(config.get(name).value).toEqual([both.join(',')]);
    expect(codes(config)).toEqual(['COMMA_SEPARATED_URLS']);
  });

  it('with blanks are one URL in a flag that is split at commas', () => {
    const config = parse('', { flags: ['--etcd-advertise-client-urls', both.join(' ')] });
    expect(config.clientEndpoints).toEqual([both.join(' ')]);
    expect(codes(config)).toEqual(['BLANK_SEPARATED_URLS']);
  });
});

describe('a value of another type', () => {
  it('is none, when it is a list for a string', () => {
    const config = parse('etcd-name: [a, b]\n');
    expect(config.get('etcd-name').value).toBe('');
    expect(codes(config)).toEqual(['LIST_FOR_STRING']);
  });

  it('is its text, when it is a number for a string', () => {
    expect(parse('etcd-name: 12\n').get('etcd-name').value).toBe('12');
    expect(parse('etcd-name: 1:30\n').get('etcd-name').value).toBe('1:30');
  });

  it.each(['true', '"true"', '"1"', '1', 'T', 'yes', 'on', 'Y'])('is true as %s', (text) => {
    const config = parse(`no-embed-etcd: ${text}\n`);
    expect(config.get('no-embed-etcd').value).toBe(true);
    expect(config.findings).toEqual([]);
  });

  it.each(['false', '"false"', '0', 'no', 'off', '""'])('is false as %s', (text) => {
    const config = parse(`no-embed-etcd: ${text}\n`);
    expect(config.get('no-embed-etcd').value).toBe(false);
    expect(config.findings).toEqual([]);
  });

  it.each(['"yes"', '"on"', 'tRuE', '[true]'])('is false without a word as %s', (text) => {
    const config = parse(`no-embed-etcd: ${text}\n`);
    expect(config.get('no-embed-etcd').value).toBe(false);
    expect(codes(config)).toEqual(['NOT_A_BOOLEAN']);
  });
});

describe('keys', () => {
  it('may be in any case', () => {
    expect(parse('ETCD-Name: b1\n').get('etcd-name').value).toBe('b1');
  });

  it('may not be there in two', () => {
    const config = parse('state-dir: /a\nState-Dir: /b\n');
    expect(config.findings).toMatchObject([
      {
        severity: 'refusal',
        code: 'KEY_IN_TWO_CASES',
        sentence: expect.stringContaining('state-dir and State-Dir') as string,
      },
    ]);
  });

  it('that nobody knows are passed over', () => {
    expect(parse('etcd-nmae: b1\nlabels: {a: [1]}\n').findings).toEqual([]);
  });
});

describe('the file that the unit names', () => {
  it('is warned of when it is another one', async () => {
    const path = join(folder, 'backend.yml');
    writeFileSync(path, 'etcd-name: b1\n');
    symlinkSync(path, join(folder, 'link.yml'));
    const read = async (started: string): Promise<string[]> =>
      codes(await readBackendConfig({ backendYml: path, flags: ['start', '-c', started] }));
    expect(await read('/etc/sensu/other.yml')).toEqual(['OTHER_CONFIG_FILE']);
    expect(await read(path)).toEqual([]);
    expect(await read(join(folder, 'link.yml'))).toEqual([]);
    const environment = { SENSU_BACKEND_CONFIG_FILE: '/etc/sensu/other.yml' };
    expect(codes(await readBackendConfig({ backendYml: path, environment }))).toEqual(['OTHER_CONFIG_FILE']);
  });
});

describe('a file that cannot be read', () => {
  it.each([
    [
      'no YAML, by its line',
      'a: 1\nb: [1\nc: 2\n',
      'is not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ] in line 3',
    ],
    ['tabs', 'a:\n\tb: 1\n', 'is not valid YAML: a tab is used to indent in line 2'],
    ['a key twice', 'state-dir: a\nstate-dir: b\n', 'is not valid YAML: a key is there twice in line 2'],
    ['a list', '- a\n', 'holds a list'],
    ['a text', 'nothing\n', 'holds a single value'],
    ['two documents', 'a: 1\n---\nb: 2\n', 'is not valid YAML: a second document begins in line 2'],
  ])('says so of %s', async (_what, text, fault) => {
    const path = join(folder, 'broken.yml');
    writeFileSync(path, text);
    await expect(readBackendConfig({ backendYml: path })).rejects.toMatchObject({
      kind: 'usage',
      code: 'BACKEND_CONFIG_UNUSABLE',
      message: expect.stringContaining(`${path} ${fault}`) as string,
    });
  });

  it('says so of what is missing, a folder, a pipe, huge, or in another encoding', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const huge = join(folder, 'huge.yml');
    writeFileSync(huge, `# ${'x'.repeat(1024 * 1024)}\n`);
    const latin = join(folder, 'latin.yml');
    writeFileSync(latin, Buffer.from('# f\xfcr\n', 'latin1'));
    const faults = {
      [join(folder, 'none.yml')]: 'ENOENT',
      [folder]: 'is no regular file',
      [pipe]: 'is no regular file',
      [huge]: 'is larger than 1 MiB',
      [latin]: 'is not UTF-8',
    };
    for (const [path, fault] of Object.entries(faults)) {
      await expect(readBackendConfig({ backendYml: path })).rejects.toMatchObject({
        kind: 'usage',
        message: expect.stringContaining(fault) as string,
      });
    }
  });

  it('survives aliases that grow', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
    for (let level = 1; level < 9; level += 1) {
      lines.push(`a${level}: &a${level} [${Array.from({ length: 10 }, () => `*a${level - 1}`).join(', ')}]`);
    }
    expect(() => parse(lines.join('\n'))).toThrow('aliases');
  });
});
