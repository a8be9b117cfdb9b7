import { randomBytes } from 'node:crypto';
import { createReadStream, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readArchive } from '../../../src/snapshot/archive/archive-reader.js';
import { markVerified, readCatalog } from '../../../src/snapshot/keep/catalog.js';
import { pin } from '../../../src/snapshot/keep/pin.js';
import { DirectoryStorage } from '../../../src/storage/directory.js';
import { ferry, startFerry, type RunningFerry } from '../../support/ferry.js';
import { silentContext } from '../../support/silent-context.js';
import { startEtcd, type RunningEtcd } from '../../support/etcd.js';
import { snapshotFolder, writeStoredArchive } from '../../support/stored-snapshots.js';

const context = silentContext();

let etcd: RunningEtcd;

beforeAll(async () => {
  etcd = await startEtcd();
  const client = await etcd.connect();
  for (let i = 0; i < 8; i += 1) {
    const key = Buffer.from(`/sensu.io/noise/${i}`);
    await client.txn({ writes: [{ type: 'put', key, value: randomBytes(500_000) }] });
  }
});

afterAll(() => etcd.stop());

/** 50 of them, evenly spread; what fast-check says of a failure has the seed. No shrinking: it would kill for hours. */
const moments = fc.noBias(fc.integer({ min: 0, max: 1000 }).map((part) => part / 1000));
const fifty = { numRuns: 50, endOnFailure: true } as const;
/** Sixty saves, each of which takes seconds where other tests run beside. */
const longEnough = 900_000;

async function killed(run: RunningFerry): Promise<void> {
  run.child.kill('SIGKILL');
  // One that was done before is as good.
  await run.finished.catch(() => undefined);
}

/** Read to their ends before. */
const known = new Set<string>();

/** Whatever is listed can be read to its end; nothing is listed apart. */
async function wholeSnapshotsIn(folder: string): Promise<readonly string[]> {
  const { snapshots, strays } = await readCatalog(context, new DirectoryStorage(folder));
  expect(strays).toEqual([]);
  const sink = { write: () => Promise.resolve() };
  for (const { name } of snapshots) {
    const path = join(folder, name);
    if (!known.has(path)) await readArchive({ path, bytes: createReadStream(path) }, sink);
    known.add(path);
  }
  return snapshots.map(({ name }) => name);
}

async function durationOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

it(
  'a save that is killed leaves nothing that lists, and the next one works by itself',
  async () => {
    const folder = snapshotFolder();
    const args = ['snapshot', 'save', '--endpoints', etcd.endpoint, '--to', folder, '--quiet'];
    const usual = await durationOf(() => ferry(args));
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(moments, async (moment) => {
        const name = `run-${(runs += 1)}`;
        const run = startFerry([...args, '--name', name]);
        await setTimeout(moment * usual);
        await killed(run);
        const listed = await wholeSnapshotsIn(folder);
        if (runs % 5 > 0) return;
        // Behind a lock, unfinished files and whatever else five dead runs have left.
        expect(await ferry([...args, '--name', `next-${runs}`])).toEqual({ code: 0, stdout: '', stderr: '' });
        expect(await wholeSnapshotsIn(folder)).toHaveLength(listed.length + 1);
        expect(readdirSync(folder).filter((file) => file.startsWith('sensu-ferry.lock'))).toEqual([]);
      }),
      fifty,
    );
  },
  longEnough,
);

it(
  'a prune that is killed leaves only whole snapshots, and the next one ends its work',
  async () => {
    const args = (folder: string): string[] => [
      ...['snapshot', 'prune', folder, '--keep-last', '2', '--yes', '--quiet'],
    ];
    await fc.assert(
      fc.asyncProperty(moments, fc.noBias(fc.nat(30)), async (moment, progress) => {
        const { folder, stay } = await folderToPrune();
        const run = startFerry(args(folder));
        await untilGone(folder, progress, run);
        await setTimeout(moment * 3);
        await killed(run);
        expect(await wholeSnapshotsIn(folder)).toEqual(expect.arrayContaining([...stay]));
        expect(await ferry(args(folder))).toEqual({ code: 0, stdout: '', stderr: '' });
        expect(await wholeSnapshotsIn(folder)).toEqual(stay);
        // A lock or a file of a dead run is the next save's to remove; nobody minds it until then.
        const files = readdirSync(folder).filter((name) => !/^\.?sensu-ferry[.-]/.test(name));
        expect(files.sort()).toEqual([...stay, `${stay[2]!}.verified.json`, `${stay[3]!}.pinned`].sort());
        rmSync(folder, { recursive: true });
      }),
      fifty,
    );
  },
  longEnough,
);

/** Twenty snapshots, half of them verified, of which the two newest, the newest verified and the pinned stay. */
async function folderToPrune(): Promise<{ readonly folder: string; readonly stay: readonly string[] }> {
  const folder = snapshotFolder();
  const storage = new DirectoryStorage(folder);
  const names: string[] = [];
  for (let day = 1; day <= 20; day += 1) {
    const createdAt = new Date(Date.UTC(2026, 0, day, 2, 15));
    const name = await writeStoredArchive(folder, { createdAt });
    names.unshift(name);
    if (day > 10) continue;
    const verifiedAt = new Date(Date.UTC(2026, 0, day, 3));
    await markVerified(context, storage, name, {
      ...{ verifiedAt, revision: 884n, digest: 'a'.repeat(64), tool: 'sensu-ferry 0.1.0' },
    });
  }
  await pin(context, storage, names[15]!);
  rmSync(join(folder, `${names[15]!}.verified.json`));
  return { folder, stay: [names[0]!, names[1]!, names[10]!, names[15]!] };
}

/** Until so many files have gone, or the program has ended. */
async function untilGone(folder: string, count: number, { finished }: RunningFerry): Promise<void> {
  const before = readdirSync(folder).length;
  const end = { come: false };
  void finished.finally(() => (end.come = true)).catch(() => undefined);
  while (!end.come && before - readdirSync(folder).length < count) await setImmediate();
}
