import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ModuleKind, ScriptTarget, transpile } from 'typescript';
import { expect, onTestFinished, test } from 'vitest';

const source = new URL('../../../src/etcd/throwaway/watchdog.ts', import.meta.url);

/** Stands for etcd, which says so little when idle that a broken log pipe ends it only after minutes. */
const program = `
import { spawn } from 'node:child_process';
import { killWithUs } from './watchdog.mjs';
const child = spawn('sleep', ['60'], { stdio: 'ignore' });
const release = killWithUs(child.pid);
if (process.argv[2] === 'release') release();
if (process.argv[2] === 'idle') child.unref();
console.log(child.pid);
if (process.argv[2] !== 'idle') setInterval(() => {}, 1000);
`;

async function start(mode: string) {
  const folder = await mkdtemp(join(tmpdir(), 'ferry-watchdog-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const options = { module: ModuleKind.ESNext, target: ScriptTarget.ES2022 };
  await writeFile(join(folder, 'watchdog.mjs'), transpile(await readFile(source, 'utf8'), options));
  await writeFile(join(folder, 'main.mjs'), program);
  const parent = spawn(process.execPath, [join(folder, 'main.mjs'), mode], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string];
  const pid = Number(line);
  onTestFinished(() => {
    if (alive(pid)) process.kill(pid, 'SIGKILL');
    parent.kill('SIGKILL');
  });
  return { parent, pid };
}

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test.each(['SIGTERM', 'SIGKILL'] as const)(
  'a child does not outlive a parent ended by %s',
  async (signal) => {
    const { parent, pid } = await start('watch');
    expect(alive(pid)).toBe(true);
    parent.kill(signal);
    await expect.poll(() => alive(pid), { timeout: 5000 }).toBe(false);
  },
);

test('a process that was let go of is not killed: its number may be somebody else', async () => {
  const { parent, pid } = await start('release');
  const ended = once(parent, 'exit');
  parent.kill('SIGKILL');
  await ended;
  await sleep(300);
  expect(alive(pid)).toBe(true);
});

test('the watch does not keep a process alive that has nothing else to do', async () => {
  const { parent } = await start('idle');
  if (parent.exitCode === null) await once(parent, 'exit', { signal: AbortSignal.timeout(5000) });
  expect(parent.exitCode).toBe(0);
});
