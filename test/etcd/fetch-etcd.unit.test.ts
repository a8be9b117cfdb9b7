import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const script = fileURLToPath(new URL('../../scripts/fetch-etcd', import.meta.url));
const tools = ['sh', 'awk', 'sed', 'cat', 'mkdir', 'mv', 'rm', 'sleep', 'cp', 'touch', 'grep', 'chmod'];
const debian = 'deb http://debian.example/debian bookworm main';

/** A machine with the tools of a Debian and nothing else; its apt-get is `apt`, a script. */
async function createMachine(apt: string) {
  const root = await mkdtemp(join(tmpdir(), 'ferry-fetch-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const bin = join(root, 'bin');
  const sources = join(root, 'sources');
  await mkdir(bin);
  await mkdir(sources);
  for (const tool of tools) await symlink(await locate(tool), join(bin, tool));
  await program(bin, 'apt-get', apt);
  await program(bin, 'apt-config', `echo "list='${root}/sources.list' parts='${sources}/'"`);
  await program(bin, 'dpkg', 'echo amd64');
  await program(bin, 'dpkg-deb', 'exit 1');
  const cache = join(root, 'cache');
  const env = { PATH: bin, HOME: root, SENSU_FERRY_CACHE: cache };
  return { root, sources, bin, env, etcd: join(cache, 'etcd') };
}

async function locate(tool: string): Promise<string> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    if (await stat(join(folder, tool)).catch(() => undefined)) return join(folder, tool);
  }
  throw new Error(`There is no ${tool} on the PATH.`);
}

async function program(folder: string, name: string, body: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name), `#!/bin/sh\n${body}\n`);
  await chmod(join(folder, name), 0o755);
}

async function fakeEtcd(folder: string, version: string): Promise<void> {
  await program(folder, 'etcd', `echo 'etcd Version: ${version}'`);
  await program(folder, 'etcdctl', 'true');
}

function start(env: Record<string, string>, ...suites: readonly string[]) {
  const child = spawn(script, suites, { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  const end = once(child, 'close').then(([code]) => ({ code: code as number | null, output }));
  return { group: -child.pid!, end };
}

test('with a full cache neither apt nor the network is asked', async () => {
  const machine = await createMachine('touch "$HOME/asked"');
  const versions = { bookworm: '3.4.1', trixie: '3.5.1' };
  await mkdir(join(machine.etcd, '.suites'), { recursive: true });
  for (const [suite, version] of Object.entries(versions)) {
    await fakeEtcd(join(machine.etcd, version), version);
    await writeFile(join(machine.etcd, '.suites', suite), `${version}\n`);
  }
  const { code, output } = await start(machine.env).end;
  expect(code).toBe(0);
  expect(output.trim().split('\n')).toEqual(
    Object.entries(versions).map(
      ([suite, version]) => `etcd ${version} (${suite}) in ${machine.etcd}/${version}`,
    ),
  );
  await expect(stat(join(machine.root, 'asked'))).rejects.toThrow('ENOENT');
});

const deb822 = (fields: string) => `# the archive\n${fields}\n`;
const keyring = '/nowhere/debian-archive-keyring.pgp';

test.each([
  ['one line', 'a.list', `deb [arch=amd64] http://debian.example/debian bookworm main contrib # ours`],
  [
    'deb822, by the keyring',
    'debian.sources',
    deb822(
      `Types: deb deb-src\nURIs: http://debian.example/debian\nSuites: trixie trixie-updates\n` +
        `Components: main\nSigned-By: ${keyring}`,
    ),
  ],
  [
    'deb822 with a key of several lines, behind one that is off',
    'debian.sources',
    deb822(`Types: deb\nURIs: http://off.example/debian\nSuites: sid\nComponents: main\nEnabled: no\n`) +
      deb822(
        `Types: deb\nURIs:\n http://debian.example/debian\nSuites: sid\nComponents: main\nSigned-By:\n key\n .`,
      ),
  ],
])('the mirror is the one of the system: %s', async (_form, name, content) => {
  const machine = await createMachine('cat "${3%/*}/sources.list" >>"$HOME/seen"; exit 1');
  await writeFile(
    join(machine.sources, '0-others.list'),
    [
      'deb http://security.example/debian-security bookworm-security main',
      'deb [signed-by=/etc/keyrings/third.gpg] http://third.example/debian bookworm main',
      'deb [signed-by=/etc/keyrings/tools.gpg] http://tools.example bookworm main',
      'deb http://docker.example/linux/debian bookworm stable',
      'deb-src http://src.example/debian bookworm main',
      'deb cdrom:[disc]/debian bookworm main',
    ].join('\n'),
  );
  await writeFile(join(machine.sources, name), content);
  const { code, output } = await start(machine.env).end;
  expect(code).toBe(1);
  expect(output).toContain('apt could not read the package lists of trixie.');
  const lines = (await readFile(join(machine.root, 'seen'), 'utf8')).trim().split('\n');
  // A keyring that this machine does not have is left out; apt then knows its own.
  expect(lines.map((line) => line.replace(/ \[signed-by=[^\]]*\]/, ''))).toEqual(
    ['bookworm', 'trixie'].map((suite) => `deb http://debian.example/debian ${suite} main`),
  );
});

test('the signature is checked with the keyring that the system names', async () => {
  const machine = await createMachine('cp "${3%/*}/sources.list" "$HOME/seen"; exit 1');
  const own = join(machine.root, 'debian-archive-own.gpg');
  await writeFile(own, '');
  await writeFile(
    join(machine.sources, 'a.list'),
    `deb [signed-by=${own}] http://debian.example/x stable main\n`,
  );
  await start(machine.env).end;
  expect(await readFile(join(machine.root, 'seen'), 'utf8')).toContain(
    `deb [signed-by=${own}] http://debian.example/x trixie main`,
  );
});

test('cut by a signal it leaves nothing behind, and what SIGKILL leaves the next run removes', async () => {
  const machine = await createMachine('touch "$HOME/asked"; sleep 60');
  await writeFile(join(machine.sources, 'a.list'), debian);
  const cut = async (signal: NodeJS.Signals) => {
    await rm(join(machine.root, 'asked'), { force: true });
    const run = start(machine.env);
    while (!(await stat(join(machine.root, 'asked')).catch(() => undefined))) await sleep(20);
    process.kill(run.group, signal);
    await run.end;
    return (await readdir(machine.etcd)).length;
  };
  expect(await cut('SIGTERM')).toBe(0);
  expect(await cut('SIGINT')).toBe(0);
  expect(await cut('SIGKILL')).toBe(1);
  expect(await cut('SIGTERM')).toBe(0);
});

test('where etcd cannot come from Debian, ETCD_BIN_DIR and the PATH are taken', async () => {
  const machine = await createMachine('exit 1');
  const own = join(machine.root, 'own');
  await fakeEtcd(join(own, 'old'), '3.4.2');
  await fakeEtcd(machine.bin, '3.5.2');
  const { code, output } = await start({ ...machine.env, ETCD_BIN_DIR: own }).end;
  expect(output).toContain(`\netcd 3.4.2 in ${own}/old\n`);
  expect(output).toContain(`\netcd 3.5.2 in ${machine.bin}\n`);
  expect(code).toBe(0);
});

test('a suite whose list cannot be read keeps no other from being fetched, and is named', async () => {
  const machine = await createMachine(
    'case $* in *update) ! grep -q bookworm "${3%/*}/sources.list" ;; *) : >"${5%/*}.deb" ;; esac',
  );
  await writeFile(join(machine.sources, 'a.list'), debian);
  await program(
    machine.bin,
    'dpkg-deb',
    `mkdir -p "$3/usr/bin" && for name in etcd etcdctl; do
       printf '#!/bin/sh\\necho etcd Version: 3.5.3\\n' >"$3/usr/bin/$name" && chmod 755 "$3/usr/bin/$name"
     done`,
  );
  const { code, output } = await start(machine.env).end;
  expect(output).toContain('apt could not read the package lists of bookworm.');
  expect(output).toContain(`etcd 3.5.3 (trixie) in ${machine.etcd}/3.5.3`);
  expect(output).toContain('There is no etcd of 3.4 here.');
  expect(code).toBe(1);
  // The demo asks for the one that it needs.
  expect(await start(machine.env, 'trixie').end).toMatchObject({ code: 0 });
});

test.each(['apt-get', 'sources'])('without %s and without etcd it says what to install', async (absent) => {
  const machine = await createMachine('exit 1');
  if (absent === 'apt-get') await rm(join(machine.bin, 'apt-get'));
  const { code, output } = await start(machine.env).end;
  expect(code).toBe(1);
  expect(output).toMatch(absent === 'apt-get' ? 'There is no apt here' : 'does not install from the Debian');
  expect(output).toContain('set ETCD_BIN_DIR');
});
