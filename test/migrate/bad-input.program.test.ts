import { cp, mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { extract } from 'tar';
import { describe, expect, it } from 'vitest';
import { createAuthority } from '../../src/etcd/throwaway/certificates.js';
import { enableAuth, startEtcd } from '../support/etcd.js';
import { runFerry, startHost, type Finished, type StagedHost } from './staged-host.js';

const longTest = 300_000;

/** Of a cluster with other members than the staged one. */
const stoppedMember = fileURLToPath(
  new URL('../../fixtures/cluster3-6.12.0/stopped/backend-2.tar.gz', import.meta.url),
);

/** The command line of the host with other values for some options; an option that it lacks is added. */
function argsWith(host: StagedHost, options: Readonly<Record<string, string>>): string[] {
  const args = [...host.args];
  for (const [option, value] of Object.entries(options)) {
    const at = args.indexOf(option);
    if (at < 0) args.push(option, value);
    else args[at + 1] = value;
  }
  return args;
}

function run(host: StagedHost, options: Readonly<Record<string, string>> = {}): Promise<Finished> {
  return runFerry([...argsWith(host, options), '--json']).finished;
}

/** How it ended, in the two forms in which a script and a person see it. */
function ending({ code, stdout, stderr }: Finished): { exit: number | null; code: string; stderr: string } {
  const document = JSON.parse(stdout || '{}') as { error?: { code: string } };
  return { exit: code, code: document.error?.code ?? 'none', stderr };
}

async function expectUntouched(host: StagedHost, before: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, content] of Object.entries(before)) expect(await readFile(path, 'utf8')).toBe(content);
  await expect(stat(host.runDirectory)).rejects.toMatchObject({ code: 'ENOENT' });
  expect(await host.servedStore()).toBe('embedded');
}

async function filesOf({ settings }: StagedHost): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const path of [settings.backendConfig, settings.envFile]) files[path] = await readFile(path, 'utf8');
  return files;
}

describe('what cannot be migrated is refused before anything is changed:', () => {
  it(
    'an API key, URL or password that would have failed only half way',
    async () => {
      const target = await startEtcd({ until: 'test' });
      const host = await startHost(target);
      const before = await filesOf(host);
      const wrongKey = join(host.folder, 'wrong-key');
      await writeFile(wrongKey, '00000000-0000-4000-8000-000000000000', { mode: 0o600 });
      // etcd would compare its first 72 bytes, or refuse it half way.
      const tooLong = join(host.folder, 'too-long');
      await writeFile(tooLong, 'x'.repeat(73), { mode: 0o600 });
      const noKey = join(host.folder, 'no-key');
      await writeFile(noKey, 'not a key at all', { mode: 0o600 });
      const cases: readonly [Record<string, string>, number, string][] = [
        [{ '--sensu-password-file': tooLong }, 2, 'PASSWORD_TOO_LONG'],
        [{ '--api-key-file': wrongKey }, 12, 'API_DENIED'],
        [{ '--api-key-file': noKey }, 2, 'API_KEY_UNUSABLE'],
        [{ '--api-key-file': join(host.folder, 'none') }, 2, 'SECRET_FILE_UNUSABLE'],
        [{ '--api-url': 'http://127.0.0.1:1' }, 15, 'API_UNREACHABLE'],
        [{ '--api-url': host.staged.apiUrl.replace('http:', 'https:') }, 15, 'API_SCHEME_WRONG'],
        [{ '--api-url': 'ftp://127.0.0.1' }, 2, 'API_URL_UNUSABLE'],
        // An etcd answers on its client port, but not as Sensu does.
        [{ '--api-url': host.staged.clientUrl }, 14, 'API_ANSWER_UNUSABLE'],
      ];
      for (const [options, exit, code] of cases) {
        const found = ending(await run(host, options));
        expect(found, JSON.stringify(options)).toMatchObject({ exit, code });
      }
      await expectUntouched(host, before);
      const client = await target.connect();
      expect((await client.range({ start: Buffer.from([0]), countOnly: true })).count).toBe(0n);
    },
    longTest,
  );

  it(
    'a target that cannot be reached, or not like this',
    async () => {
      const target = await startEtcd({ tls: 'server', until: 'test' });
      const root = await enableAuth(target, 'the root of the target');
      const host = await startHost(target);
      const before = await filesOf(host);
      const otherCa = join(host.folder, 'other-ca.pem');
      await writeFile(otherCa, (await createAuthority('another CA')).ca);
      const rootPassword = join(host.folder, 'right-root-password');
      await writeFile(rootPassword, root.password, { mode: 0o600 });
      const right = { '--root-password-file': rootPassword };
      const plain = target.endpoint.replace('https:', 'http:');
      const cases: readonly [Record<string, string>, number, RegExp][] = [
        [{}, 12, /refuses the user name or the password/],
        [{ ...right, '--endpoints': plain }, 2, /https|TLS/],
        [{ ...right, '--cacert': otherCa }, 15, /certificate|CA/],
        [{ ...right, '--endpoints': 'https://127.0.0.1:1' }, 15, /127\.0\.0\.1:1 /],
        [{ ...right, '--endpoints': host.staged.clientUrl.replace('http:', 'https:') }, 2, /TLS|http/],
        [{ ...right, '--endpoints': `${target.endpoint};${target.endpoint}` }, 2, /URL/],
        [{ ...right, '--endpoints': ',' }, 2, /endpoint/],
        [{ ...right, '--cacert': join(host.folder, 'none.pem') }, 2, /none\.pem/],
      ];
      for (const [options, exit, words] of cases) {
        const found = ending(await run(host, options));
        expect(found, JSON.stringify(options)).toMatchObject({ exit });
        expect(found.stderr, JSON.stringify(options)).toMatch(words);
        expect(found.stderr).not.toMatch(/\n\s+at |UNEXPECTED/);
      }
      await expectUntouched(host, before);
    },
    longTest,
  );

  it(
    'a target without quorum',
    async () => {
      const target = await startEtcd({ members: 3, until: 'test' });
      const host = await startHost(target);
      const before = await filesOf(host);
      await target.members[1]!.stop();
      await target.members[2]!.stop();
      const found = ending(await run(host));
      expect(found).toMatchObject({ exit: 15 });
      expect(found.stderr).toMatch(/leader|members are up|cannot be reached/);
      await expectUntouched(host, before);
    },
    longTest,
  );

  it(
    'a backend.yml that Sensu would read as something else, or that something else manages',
    async () => {
      const target = await startEtcd({ until: 'test' });
      const host = await startHost(target);
      const { backendConfig, envFile } = host.settings;
      const before = await filesOf(host);
      const text = before[backendConfig]!;
      const variant = async (name: string, content: string): Promise<Record<string, string>> => {
        await writeFile(join(host.folder, name), content);
        return { '--backend-config': join(host.folder, name) };
      };
      await symlink(backendConfig, join(host.folder, 'link.yml'));
      await symlink(envFile, join(host.folder, 'link-environment'));
      const openQuote = join(host.folder, 'open-quote');
      await writeFile(openQuote, 'A="never closed\n');
      const otherState = join(host.folder, 'other-state');
      await mkdir(otherState);
      await extract({ file: stoppedMember, cwd: otherState });
      const commas = `${host.staged.clientUrl},http://127.0.0.2:2379`;
      const cases: readonly [Record<string, string>, number, string][] = [
        [await variant('broken.yml', `${text}\n  : [`), 2, 'BACKEND_CONFIG_UNUSABLE'],
        [await variant('list.yml', '- a\n- b\n'), 2, 'BACKEND_CONFIG_UNUSABLE'],
        [await variant('binary.yml', '\0\u0001'), 2, 'BACKEND_CONFIG_UNUSABLE'],
        [{ '--backend-config': host.folder }, 2, 'BACKEND_CONFIG_UNUSABLE'],
        [{ '--backend-config': '/dev/zero' }, 2, 'BACKEND_CONFIG_UNUSABLE'],
        [await variant('commas.yml', withUrls(text, commas)), 14, 'COMMA_SEPARATED_URLS'],
        // Sensu reads it as not set, and would look for its store in its default place.
        [
          await variant('state-list.yml', text.replace(/^state-dir: .*$/m, 'state-dir: [a, b]')),
          14,
          'DATA_DIRECTORY_UNREADABLE',
        ],
        [
          await variant('other-state.yml', text.replace(/^state-dir: .*$/m, `state-dir: ${otherState}`)),
          14,
          'DATA_DIRECTORY_OF_ANOTHER',
        ],
        [{ '--backend-config': join(host.folder, 'link.yml') }, 14, 'FILE_IS_LINK'],
        [{ '--env-file': join(host.folder, 'link-environment') }, 14, 'FILE_IS_LINK'],
        // Read well, and could not be rewritten once the backend is stopped.
        [await variant('anchor.yml', withAnchor(text)), 2, 'BACKEND_YML_NOT_REWRITABLE'],
        [{ '--env-file': openQuote }, 2, 'ENVIRONMENT_FILE_UNUSABLE'],
        [{ '--run-dir': openQuote }, 2, 'RUN_DIRECTORY_UNUSABLE'],
      ];
      for (const [options, exit, code] of cases) {
        const found = ending(await run(host, options));
        expect(found, JSON.stringify(options)).toMatchObject({ exit, code });
      }
      await expectUntouched(host, before);
    },
    longTest,
  );
});

/** The anchor goes with its key, and the alias would lead nowhere. */
const withAnchor = (text: string): string =>
  `${text.replace(/^etcd-initial-cluster: /m, '$&&urls ')}\nlabels: {urls: *urls}\n`;

const withUrls = (text: string, urls: string): string =>
  text.replace(/^etcd-advertise-client-urls: .*$/m, `etcd-advertise-client-urls: "${urls}"`);

describe('a plan', () => {
  it(
    'names every finding at once, ends as the migration would, and shows no private key',
    async () => {
      const target = await startEtcd({ tls: 'client-cert', until: 'test' });
      const host = await startHost(target);
      const aside = `${host.settings.backendConfig}.aside`;
      await rename(host.settings.backendConfig, aside);
      await symlink(aside, host.settings.backendConfig);
      const plan = argsWith(host, { '--api-url': 'http://127.0.0.1:1' });
      const { code, stdout } = await runFerry([...plan, '--plan', '--json']).finished;
      expect(code).toBe(15);
      const { findings } = JSON.parse(stdout) as { findings: { code: string; remedy: string }[] };
      const codes = findings.map((finding) => finding.code);
      expect(codes).toEqual(expect.arrayContaining(['API_UNREACHABLE', 'FILE_IS_LINK', 'COMPACTION']));
      expect(findings.every(({ remedy }) => remedy !== '')).toBe(true);
      const key = await readFile(host.settings.tls.key!);
      expect(stdout).not.toContain([...key.subarray(60, 80)].join(','));
      expect(stdout.replace(/\s/g, '')).not.toContain([...key.subarray(60, 80)].join(','));
      await rm(host.settings.backendConfig);
      await cp(aside, host.settings.backendConfig);
    },
    longTest,
  );

  it(
    'looks at the target too when the source cannot be reached',
    async () => {
      const target = await startEtcd({ until: 'test' });
      const host = await startHost(target);
      const plan = argsWith(host, { '--source-endpoints': 'http://127.0.0.1:1' });
      const { code, stdout } = await runFerry([...plan, '--plan']).finished;
      expect(code).toBe(15);
      expect(stdout).toContain('SOURCE_ENDPOINT_REFUSED');
      expect(stdout).toContain('To:   etcd ');
    },
    longTest,
  );

  it(
    'takes a password from standard input',
    async () => {
      const target = await startEtcd({ until: 'test' });
      const host = await startHost(target);
      const args = argsWith(host, { '--root-password-file': '-' });
      const { child, finished } = runFerry([...args, '--plan'], 'pipe');
      child.stdin!.end('from standard input\n');
      const { code, stdout, stderr } = await finished;
      expect(stderr).toBe('');
      expect(code).toBe(3);
      expect(stdout).toContain('Create the user root');
    },
    longTest,
  );
});
