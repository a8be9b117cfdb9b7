import { readFile, readlink } from 'node:fs/promises';
import { systemCode } from '../core/errors.js';

/**
 * Which of all processes on all machines a process is. A process id alone is given anew, also in each container and
 * after each start of the machine; a host's name is no more certain, as clones share it.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** In clock ticks since the machine was started, from field 22 of `/proc/<pid>/stat`. */
  readonly startedAt: string;
  /** Of the running kernel and the space of process ids; empty where the system does not tell. */
  readonly pidSpace: string;
}

export function identifyThisProcess(): Promise<ProcessIdentity> {
  return identifyProcess(process.pid);
}

/** Of a process of this machine. */
export async function identifyProcess(pid: number): Promise<ProcessIdentity> {
  return { pid, startedAt: await startOf(pid), pidSpace: await thisPidSpace() };
}

/** No Linux gives a larger one, and Node refuses to ask for one of more than 32 bits. */
const largestPid = 2 ** 22;

/** `unknown` for a process on another machine, in another container, or from before this machine was started. */
export async function lookForProcess({
  pid,
  startedAt,
  pidSpace,
}: ProcessIdentity): Promise<'running' | 'gone' | 'unknown'> {
  if (pidSpace === '' || pidSpace !== (await thisPidSpace())) return 'unknown';
  if (pid > largestPid || !isTaken(pid)) return 'gone';
  const start = await startOf(pid);
  // A hardened system hides the processes of other users.
  if (start === '') return 'unknown';
  return start === startedAt ? 'running' : 'gone';
}

function isTaken(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return systemCode(error) !== 'ESRCH';
  }
}

async function thisPidSpace(): Promise<string> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    return `${boot.trim()} ${await readlink('/proc/self/ns/pid')}`;
  } catch {
    return '';
  }
}

/** Empty when there is no such process, or none that may be seen. */
async function startOf(pid: number): Promise<string> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name of the program, in parentheses, may hold anything.
  return line.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
