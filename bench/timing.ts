import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Run {
  readonly seconds: number;
  /** Largest resident set, in MiB. */
  readonly peakMiB: number;
  readonly stdout: string;
}

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program once, from its start to its end. Throws when it fails. */
export async function run({ program, args, env }: Command): Promise<Run> {
  const startedAt = performance.now();
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const output: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout.on('data', (part: Buffer) => output.push(part));
  child.stderr.on('data', (part: Buffer) => errors.push(part));
  const peak = watchPeak(child.pid!);
  const [code] = (await once(child, 'close')) as [number | null];
  const seconds = (performance.now() - startedAt) / 1000;
  // 3: done with warnings, as of a quota that is smaller than Sensu's own.
  if (code !== 0 && code !== 3)
    throw new Error(`${program} ${args[0] ?? ''} failed: ${Buffer.concat(errors).toString()}`);
  return { seconds, peakMiB: await peak.stop(), stdout: Buffer.concat(output).toString() };
}

/** Linux keeps the high-water mark itself, so reading it now and then misses little. */
function watchPeak(pid: number): { stop(): Promise<number> } {
  let peak = 0;
  const stopping = new AbortController();
  const work = (async () => {
    while (!stopping.signal.aborted) {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024);
      await sleep(10);
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await work;
      return peak;
    },
  };
}

/** Two programs in turns, A B A B, after one warm-up of each: what slows the machine down slows both. */
export async function inTurns(
  rounds: number,
  ours: () => Promise<Run>,
  peer: () => Promise<Run>,
): Promise<{ readonly ours: readonly Run[]; readonly peer: readonly Run[] }> {
  await ours();
  await peer();
  const runs = { ours: [] as Run[], peer: [] as Run[] };
  for (let round = 0; round < rounds; round += 1) {
    runs.ours.push(await ours());
    runs.peer.push(await peer());
  }
  return runs;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}
