import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { writeTextfile, type RunOutcome } from '../../src/snapshot/textfile.js';

const good: RunOutcome = {
  startedAt: new Date(1_000_000),
  endedAt: new Date(1_002_500),
  saved: { revision: 9_007_199_254_740_993n, size: 4096, storedSize: 512, keys: 12 },
};
const bad: RunOutcome = { startedAt: new Date(2_000_000), endedAt: new Date(2_001_000), saved: undefined };

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
    lines.map((line) => line.replace('sensu_ferry_snapshot_', '').split(' ') as [string, string]),
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
