import { execFileSync } from 'node:child_process';
import {
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import * as textfile from '../../../src/snapshot/save/textfile.js';
import { checkTextfileName, type RunOutcome } from '../../../src/snapshot/save/textfile.js';

const good: RunOutcome = {
  startedAt: new Date(1_000_000),
  endedAt: new Date(1_002_500),
  saved: { revision: 9_007_199_254_740_993n, size: 4096, storedSize: 512, keys: 12 },
  labels: { destination: '/back ups/"sensu"\\' },
};
const bad: RunOutcome = {
  ...{ startedAt: new Date(2_000_000), endedAt: new Date(2_001_000), saved: undefined },
  labels: good.labels,
};

const writeTextfile = (path: string, run: RunOutcome, signal = AbortSignal.timeout(60_000)): Promise<void> =>
  textfile.writeTextfile(path, run, signal);

function metricsFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sensu-ferry-textfile-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  return join(folder, 'sensu-ferry.prom');
}

function samples(path: string): Record<string, string> {
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => /^sensu_ferry_snapshot_(\w+)\{.*\} (\S+)$/.exec(line)!.slice(1) as [string, string]),
  );
}

it('says how a run ended, in numbers that Prometheus takes', async () => {
  const path = metricsFile();
  await writeTextfile(path, good);
  expect(samples(path)).toEqual({
    last_run_timestamp_seconds: '1002.5',
    last_run_success: '1',
    last_run_duration_seconds: '2.5',
    last_success_timestamp_seconds: '1002.5',
    last_success_size_bytes: '4096',
    last_success_stored_bytes: '512',
    last_success_keys: '12',
    last_success_revision: '9007199254740993',
  });
});

it('keeps the last success across failures, or no alert on its age would fire', async () => {
  const path = metricsFile();
  await writeTextfile(path, good);
  await writeTextfile(path, bad);
  await writeTextfile(path, bad);
  expect(samples(path)).toMatchObject({
    last_run_timestamp_seconds: '2001',
    last_run_success: '0',
    last_success_timestamp_seconds: '1002.5',
    last_success_revision: '9007199254740993',
  });
});

it('does not give the keys of an older snapshot to one whose keys were not counted', async () => {
  const path = metricsFile();
  await writeTextfile(path, good);
  await writeTextfile(path, { ...good, saved: { ...good.saved!, keys: undefined } });
  expect(samples(path)).not.toHaveProperty('last_success_keys');
});

it('claims no success where there was none', async () => {
  const path = metricsFile();
  await writeTextfile(path, bad);
  expect(Object.keys(samples(path)).filter((name) => name.startsWith('last_success'))).toEqual([]);
});

it('tells the runs of several schedules on one machine apart, in a form that a label has', async () => {
  const path = metricsFile();
  await writeTextfile(path, good);
  expect(readFileSync(path, 'utf8')).toContain(
    'sensu_ferry_snapshot_last_run_success{destination="/back ups/\\"sensu\\"\\\\"} 1\n',
  );
  // The success of another destination is none of this one.
  await writeTextfile(path, { ...bad, labels: { destination: 's3://elsewhere' } });
  expect(samples(path)).not.toHaveProperty('last_success_timestamp_seconds');
});

it('loses no success to failures that end at the same moment', async () => {
  for (let round = 0; round < 10; round += 1) {
    const path = metricsFile();
    await Promise.all([bad, bad, good, bad, bad].map((run) => writeTextfile(path, run)));
    expect(samples(path)).toMatchObject({ last_success_timestamp_seconds: '1002.5' });
    expect(readdirSync(join(path, '..'))).toEqual(['sensu-ferry.prom']);
  }
});

it('is not held up by the lock of a run that was killed, and by nothing else of that name for long', async () => {
  const path = metricsFile();
  const lock = join(path, '..', '.sensu-ferry.prom.lock.1');
  const old = (minutes: number): Date => new Date(Date.now() - minutes * 60_000);
  const made: readonly (() => void)[] = [
    () => {
      symlinkSync(`${2 ** 22 + 1} 1 ${bootId()} host`, lock);
    },
    // Leads nowhere and names nobody; its age counts, also one in the future after a clock was set back.
    ...[-10, 10].map((minutes) => () => {
      symlinkSync('nowhere', lock);
      lutimesSync(lock, old(minutes), old(minutes));
    }),
    () => {
      execFileSync('mkfifo', [lock]);
      utimesSync(lock, old(10), old(10));
    },
  ];
  for (const make of made) {
    make();
    await writeTextfile(path, good);
    expect(readdirSync(join(path, '..'))).toEqual(['sensu-ferry.prom']);
  }
});

/** As a lock names this start of the kernel and this space of process ids. */
function bootId(): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8);
  return `${boot} ${readlinkSync('/proc/self/ns/pid').replace(/\D/g, '')} 0000`;
}

it('stops waiting for a lock when the run is told to stop', async () => {
  const path = metricsFile();
  symlinkSync('nowhere', join(path, '..', '.sensu-ferry.prom.lock.1'));
  const abort = new AbortController();
  const written = writeTextfile(path, good, abort.signal);
  abort.abort(new Error('told to stop'));
  await expect(written).rejects.toThrow('told to stop');
});

it('does not wait for somebody to write into a pipe that lies in its place', async () => {
  const path = metricsFile();
  execFileSync('mkfifo', [path]);
  await expect(writeTextfile(path, good)).rejects.toMatchObject({
    code: 'TEXTFILE_NOT_WRITTEN',
    message: `The metrics file ${path} cannot be written: ${path} is not a plain file.`,
  });
});

it('never has a file beside it that node_exporter would read, half written', async () => {
  const path = metricsFile();
  const seen = new Set<string>();
  const watcher = watch(join(path, '..'), (_event, name) => seen.add(String(name)));
  await writeTextfile(path, good);
  await vi.waitFor(() => {
    expect(seen).toContain('sensu-ferry.prom');
  }, 30_000);
  watcher.close();
  expect([...seen].filter((name) => name.endsWith('.prom'))).toEqual(['sensu-ferry.prom']);
  expect(seen.size).toBeGreaterThan(1);
});

it('does not take a file that it cannot read for one without a success', async () => {
  const path = metricsFile();
  mkdirSync(path);
  await expect(writeTextfile(path, bad)).rejects.toMatchObject({ code: 'TEXTFILE_NOT_WRITTEN' });
});

it.each(['metrics', '/x/metrics.txt', '/x/.prom', '/x/.hidden.prom'])('%s is no name for it', (path) => {
  expect(() => {
    checkTextfileName(path);
  }).toThrow(expect.objectContaining({ kind: 'usage', code: 'TEXTFILE_NAME' }));
});

it('replaces the file at once, leaves nothing beside it, and lets node_exporter read it', async () => {
  const path = metricsFile();
  writeFileSync(path, 'of some other program 1\n', { mode: 0o600 });
  await writeTextfile(path, good);
  expect(readdirSync(join(path, '..'))).toEqual(['sensu-ferry.prom']);
  expect(statSync(path).mode & 0o777).toBe(0o644);
  expect(readFileSync(path, 'utf8')).not.toContain('other');
});

it('names the file that it cannot write', async () => {
  const path = join(metricsFile(), 'nowhere', 'x.prom');
  await expect(writeTextfile(path, good)).rejects.toMatchObject({
    code: 'TEXTFILE_NOT_WRITTEN',
    message: expect.stringContaining(path) as string,
  });
});
