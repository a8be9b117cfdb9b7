import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { markVerified } from '../../../src/snapshot/keep/catalog.js';
import { takeLock } from '../../../src/snapshot/keep/lock.js';
import { pin } from '../../../src/snapshot/keep/pin.js';
import { applyPrune, planPrune } from '../../../src/snapshot/keep/prune.js';
import { DirectoryStorage } from '../../../src/storage/directory.js';
import { silentContext } from '../../support/silent-context.js';
import { snapshotFolder, writeStoredArchive } from '../../support/stored-snapshots.js';

const context = { ...silentContext(), clock: { now: () => new Date('2026-11-30T12:00:00Z') } };

/** One of each of the last so many days, oldest first. */
async function nightly(folder: string, days: number): Promise<readonly string[]> {
  const names: string[] = [];
  for (let day = days; day > 0; day -= 1) {
    const createdAt = new Date(Date.UTC(2026, 10, 30 - day, 2, 15));
    names.push(await writeStoredArchive(folder, { createdAt, revision: BigInt(1000 - day) }));
  }
  return names;
}

const verification = {
  verifiedAt: new Date('2026-11-24T03:00:00Z'),
  revision: 884n,
  digest: 'a'.repeat(64),
  tool: 'sensu-ferry 0.1.0',
};

it('removes what the policy leaves out, with the files beside it, and nothing else', async () => {
  const folder = snapshotFolder();
  const storage = new DirectoryStorage(folder);
  const names = await nightly(folder, 6);
  await markVerified(context, storage, names[0]!, verification);
  await markVerified(context, storage, names[2]!, verification);
  await pin(context, storage, names[1]!);
  writeFileSync(join(folder, 'notes.txt'), '');
  writeFileSync(join(folder, 'cut.sferry'), 'not whole');
  const plan = await planPrune(context, storage, { last: 2 });
  // Oldest first; the pinned one and the newest verified one are not among them.
  expect(plan.remove.map(({ name }) => name)).toEqual([names[0], names[3]]);
  expect(plan.strays).toHaveLength(2);
  expect(readdirSync(folder)).toHaveLength(11);
  expect(await applyPrune(context, storage, plan)).toMatchObject({
    removed: [{ name: names[0] }, { name: names[3] }],
    kept: 4,
  });
  expect(readdirSync(folder).sort()).toEqual(
    [
      ...[names[1], names[2], names[4], names[5], 'notes.txt', 'cut.sferry'],
      ...[`${names[1]!}.pinned`, `${names[2]!}.verified.json`],
    ].sort(),
  );
});

it('removes nothing that was pinned after the plan was made', async () => {
  const folder = snapshotFolder();
  const storage = new DirectoryStorage(folder);
  const names = await nightly(folder, 3);
  const plan = await planPrune(context, storage, { last: 1 });
  await pin(context, storage, names[0]!);
  expect((await applyPrune(context, storage, plan)).removed).toMatchObject([{ name: names[1] }]);
  expect(existsSync(join(folder, names[0]!))).toBe(true);
});

it('removes nothing that the plan did not name, although the policy would', async () => {
  const folder = snapshotFolder();
  const storage = new DirectoryStorage(folder);
  const names = await nightly(folder, 3);
  const plan = await planPrune(context, storage, { last: 2 });
  await writeStoredArchive(folder, { createdAt: new Date('2026-11-30T02:15:00Z') });
  expect((await applyPrune(context, storage, plan)).removed).toMatchObject([{ name: names[0] }]);
  expect(existsSync(join(folder, names[1]!))).toBe(true);
});

it('tidies up behind a prune that was killed', async () => {
  const folder = snapshotFolder();
  const storage = new DirectoryStorage(folder);
  const names = await nightly(folder, 2);
  await markVerified(context, storage, names[0]!, verification);
  rmSync(join(folder, names[0]!));
  const plan = await planPrune(context, storage, { last: 5 });
  expect(plan.orphans).toEqual([`${names[0]!}.verified.json`]);
  await applyPrune(context, storage, plan);
  expect(readdirSync(folder)).toEqual([names[1]]);
});

it('waits for no other run, and removes nothing beside it', async () => {
  const folder = snapshotFolder();
  const storage = new DirectoryStorage(folder);
  await nightly(folder, 2);
  const plan = await planPrune(context, storage, { last: 1 });
  const lock = await takeLock(context, storage);
  await expect(applyPrune(context, storage, plan)).rejects.toMatchObject({ kind: 'locked', code: 'LOCKED' });
  await lock.release();
  expect((await applyPrune(context, storage, plan)).removed).toHaveLength(1);
});
