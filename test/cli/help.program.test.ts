import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startEtcd } from '../support/etcd.js';
import { expectNoTrace, ferry, fixture, testFolder } from '../support/ferry.js';

/** Commands of which scripts outside of the repository know, and the options that they cannot do without. */
const required = {
  'snapshot save': '--to none',
  'snapshot inspect': 'none',
  'restore etcd': '--from none',
  'restore config': '--from none',
  'rbac plan': '',
  'rbac apply': '',
  'rbac verify': '',
  'migrate embedded-to-external': '--endpoints http://127.0.0.1:1 --sensu-password-file none --run-dir none',
  'migrate status': '--run-dir none',
  'migrate verify': '--run-dir none',
  'migrate resume': '--run-dir none',
  'migrate rollback': '--run-dir none',
  demo: '',
};
const contract = Object.keys(required);

const words = (line: string): string[] => line.split(' ').filter((word) => word !== '');

const groups = ['snapshot', 'restore', 'rbac', 'migrate'];

/** Names under `Commands:` of a help text; commander indents what a long line runs on into further. */
function commandsIn(help: string): string[] {
  const section = help.split(/^Commands:\n/m)[1] ?? '';
  return [...section.matchAll(/^ {2}(\S+)/gm)].map(([, name]) => name!).filter((name) => name !== 'help');
}

describe('--help', () => {
  it('of the program and of every command goes to standard output, and is no failure', async () => {
    const seen: string[] = [];
    const visit = async (command: readonly string[]): Promise<void> => {
      const ended = await ferry([...command, '--help']);
      const name = command.join(' ');
      expect(ended, name).toMatchObject({ code: 0, stderr: '' });
      expect(ended.stdout, name).toMatch(new RegExp(`^Usage: ${['sensu-ferry', ...command].join(' ')} `));
      const below = commandsIn(ended.stdout);
      if (below.length === 0) seen.push(name);
      await Promise.all(below.map((next) => visit([...command, next])));
    };
    await visit([]);
    expect(seen).toEqual(expect.arrayContaining(contract));
  });

  it('names the options that every command has', async () => {
    const helps = await Promise.all(contract.map((command) => ferry([...words(command), '--help'])));
    for (const { stdout } of helps) {
      for (const option of ['--json', '--quiet', '--progress']) expect(stdout).toContain(`  ${option}`);
    }
  });

  it('is also what help prints', async () => {
    const [option, command] = await Promise.all([
      ferry(['snapshot', 'save', '--help']),
      ferry(['snapshot', 'help', 'save']),
    ]);
    expect(command).toEqual(option);
    expect(await ferry(['help', 'snapshot', 'save'])).toEqual(option);
  });
});

describe('a command line that cannot be used', () => {
  const lines: (readonly [what: string, line: string, said: string])[] = [
    ['no command', '', 'Usage: sensu-ferry'],
    ['an unknown command', 'bogus', "unknown command 'bogus'"],
    ['an unknown option', '--bogus', "unknown option '--bogus'"],
    ...groups.flatMap((group) => [
      [`${group} without a command`, group, `Usage: sensu-ferry ${group}`] as const,
      [`an unknown command of ${group}`, `${group} bogus`, "unknown command 'bogus'"] as const,
    ]),
    ...Object.entries(required).map(
      ([name, options]) =>
        [`${name} with an unknown option`, `${name} ${options} --bogus`, "unknown option '--bogus'"] as const,
    ),
    ['a missing argument', 'snapshot inspect', "argument 'file'"],
    ['an argument too many', 'snapshot inspect a b', 'too many arguments'],
    ['a missing option', 'snapshot save', "'--to <place>' not specified"],
    ['an option without its value', 'restore etcd --from', "'--from <path>' argument missing"],
    ['an unknown form of progress', 'snapshot inspect a --progress bar', 'auto, json'],
    [
      'an unknown profile',
      `migrate embedded-to-external ${required['migrate embedded-to-external']} --profile most`,
      'documented, least, init',
    ],
  ];

  it.each(lines)('%s', async (_what, line, said) => {
    const ended = await ferry(words(line));
    expect(ended).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(said) as string });
    expectNoTrace(ended);
  });
});

describe('what is loaded', () => {
  /** Packages among the modules that CommonJS has loaded by the end; etcd3 and grpc-js are such. */
  async function loadedBy(args: readonly string[]): Promise<{ code: number | null; packages: Set<string> }> {
    const folder = await testFolder();
    const preload = join(folder, 'preload.cjs');
    await writeFile(
      preload,
      `process.on('exit', () =>
        require('node:fs').writeFileSync(process.env.LOADED, Object.keys(require.cache).join('\\n')));`,
    );
    const loaded = join(folder, 'loaded');
    const { code } = await ferry(args, { nodeOptions: ['--require', preload], env: { LOADED: loaded } });
    const paths = (await readFile(loaded, 'utf8')).split('\n');
    const names = paths.flatMap((path) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []);
    return { code, packages: new Set(names) };
  }

  it.each([
    ['--help'],
    ['--version'],
    ['restore etcd --help'],
    ['restore config --help'],
    ['migrate --help'],
    ['demo --help'],
    ['bogus'],
  ])('%s loads commander alone', async (line) => {
    const { packages } = await loadedBy(words(line));
    expect([...packages]).toEqual(['commander']);
  });

  /** Packages that were loaded as ES modules, or by one. */
  async function importedBy(
    args: readonly string[],
  ): Promise<{ code: number | null; packages: Set<string> }> {
    const { code, stderr } = await ferry(args, { env: { NODE_DEBUG: 'esm' } });
    const found = stderr.matchAll(/ Translating .*\/node_modules\/((?:@[^/]+\/)?[^/]+)/g);
    return { code, packages: new Set([...found].map(([, name]) => name!)) };
  }

  it('the options of a command load no package but that which reads them, as ES module neither', async () => {
    for (const command of ['snapshot', 'dump', 'restore', 'rbac', 'migrate', 'demo']) {
      const { code, packages } = await importedBy([command, '--help']);
      expect(code, command).toBe(0);
      expect([...packages], command).toEqual(['commander']);
    }
  });

  it('snapshot inspect loads no client of etcd', async () => {
    const inspect = await loadedBy(['snapshot', 'inspect', fixture('single-6.7.5/snapshot.db')]);
    expect(inspect.code).toBe(0);
    expect([...inspect.packages].filter((name) => /etcd|grpc/.test(name))).toEqual([]);
  });

  // Loading etcd3 takes a third of the time in which etcdctl has saved a store of 150 MB.
  it('snapshot save sends its few requests without etcd3, with which others are sent', async () => {
    const { endpoint } = await startEtcd({ until: 'test' });
    const save = ['snapshot', 'save', '--to', await testFolder(), '--endpoints', endpoint];
    const saved = await importedBy(save);
    expect(saved).toEqual({ code: 0, packages: new Set(['commander', 'tar']) });
    const from = fixture('single-6.7.5/snapshot.db');
    const restored = await importedBy(['restore', 'etcd', '--from', from, '--endpoints', endpoint, '--yes']);
    expect(restored.code).toBe(0);
    expect([...restored.packages]).toContain('etcd3');
  });
});

it('--version prints the version of the package, and nothing else', async () => {
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  expect(await ferry(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
});
