import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readArchive } from '../../../src/snapshot/archive/archive-reader.js';
import { openStorage } from '../../../src/storage/open.js';
import { ferry, startFerry } from '../../support/ferry.js';
import { namesIn } from '../../storage/contract.js';
import { startEtcd, type RunningEtcd } from '../../support/etcd.js';
import { startS3Server, type S3Server } from '../../support/s3-server.js';

let etcd: RunningEtcd;
let server: S3Server;
beforeAll(async () => {
  [etcd, server] = await Promise.all([startEtcd(), startS3Server()]);
  await server.addBucket('backups');
  const client = await etcd.connect();
  // More than a part of an upload.
  for (let i = 0; i < 12; i += 1) {
    const key = Buffer.from(`/sensu.io/noise/${i}`);
    await client.txn({ writes: [{ type: 'put', key, value: randomBytes(1_000_000) }] });
  }
});
afterAll(async () => {
  await Promise.all([etcd.stop(), server.stop()]);
});

const { signal } = new AbortController();

function save(location: string): Promise<{ code: number | null; stderr: string }> {
  return ferry(['snapshot', 'save', '--endpoints', etcd.endpoint, '--to', location], { env: server.env });
}

async function saveAndKill(location: string, afterMs: number): Promise<void> {
  const saving = startFerry(['snapshot', 'save', '--endpoints', etcd.endpoint, '--to', location], {
    env: server.env,
  });
  saving.finished.catch(() => undefined);
  const ended = once(saving.child, 'close');
  await setTimeout(afterMs);
  saving.child.kill('SIGKILL');
  await ended;
}

/** The snapshots that are listed. Each is read to its end and checked. */
async function wholeSnapshots(location: string): Promise<string[]> {
  const storage = await openStorage(location, server.env);
  const names = (await namesIn(storage)).filter((name) => !name.startsWith('sensu-ferry.lock'));
  for (const name of names) {
    const bytes = storage.read(name, signal);
    await readArchive({ path: name, bytes }, { write: () => Promise.resolve() });
    await storage.remove(name, signal);
  }
  return names;
}

// What a kill leaves in a folder is in killed.program.test.ts.
it(
  'a save into a bucket that is killed leaves whole snapshots only, and the next one works',
  { timeout: 900_000 },
  async () => {
    const location = 's3://backups/killed';
    const startedAt = performance.now();
    expect(await save(location)).toMatchObject({ code: 0 });
    const durationMs = performance.now() - startedAt;
    expect(await wholeSnapshots(location)).toHaveLength(1);
    await fc.assert(
      fc.asyncProperty(fc.noBias(fc.integer({ min: 30, max: 110 })), async (percent) => {
        await saveAndKill(location, (durationMs * percent) / 100);
        expect((await wholeSnapshots(location)).length).toBeLessThanOrEqual(1);
      }),
      { numRuns: 20, endOnFailure: true },
    );
    expect(await save(location)).toMatchObject({ code: 0 });
    expect(await wholeSnapshots(location)).toHaveLength(1);
  },
);
