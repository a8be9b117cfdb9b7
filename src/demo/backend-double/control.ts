import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/**
 * Starts and stops the double as a service manager would: `control.js start|stop DIR`. DIR holds `backend.yml`,
 * `environment`, `etcd-binary` with the path of the etcd to embed, and `owner`, the process that the double ends with.
 * `start` returns at once; one that runs already is left alone.
 */
async function control(verb: string | undefined, directory: string | undefined): Promise<void> {
  if (directory === undefined) throw new Error('usage: control.js start|stop DIR');
  if (verb === 'start') await start(directory);
  else if (verb === 'stop') await stop(directory);
  else throw new Error(`control.js knows start and stop, not ${String(verb)}`);
}

const pidFile = (directory: string): string => join(directory, 'pid');

async function start(directory: string): Promise<void> {
  const running = await pidOf(directory);
  if (running !== undefined && isRunning(running)) return;
  const log = openSync(join(directory, 'backend.log'), 'a', 0o600);
  const program = fileURLToPath(new URL('main.js', import.meta.url));
  const child = spawn(process.execPath, [program, directory], {
    detached: true,
    stdio: ['ignore', log, log],
  });
  child.unref();
  closeSync(log);
  // At once: a stop that comes before the double has found its feet must find it.
  await writeFile(pidFile(directory), String(child.pid), { mode: 0o600 });
}

async function pidOf(directory: string): Promise<number | undefined> {
  const pid = Number(await readFile(pidFile(directory), 'utf8').catch(() => ''));
  return pid > 0 ? pid : undefined;
}

const stopTimeoutMs = 60_000;

async function stop(directory: string): Promise<void> {
  const pid = await pidOf(directory);
  if (pid === undefined) return;
  const giveUpAt = performance.now() + stopTimeoutMs;
  for (let asked = false; isRunning(pid); asked = true) {
    if (!asked) process.kill(pid, 'SIGTERM');
    if (performance.now() > giveUpAt) throw new Error(`process ${pid} does not stop`);
    await sleep(10);
  }
  await rm(pidFile(directory), { force: true });
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch {
    return false;
  }
}

/** A process that has ended stays in the table until its parent asks for it; an init may take seconds for that. */
function isZombie(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return false;
  }
}

await control(process.argv[2], process.argv[3]);
