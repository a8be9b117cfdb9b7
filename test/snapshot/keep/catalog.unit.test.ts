import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FerryError, type FailureKind } from '../../../src/core/errors.js';
import { identify, markVerified, readCatalog, type Catalog } from '../../../src/snapshot/keep/catalog.js';
import { pin, unpin } from '../../../src/snapshot/keep/pin.js';
import { DirectoryStorage } from '../../../src/storage/directory.js';
import type { ByteRange, Storage } from '../../../src/storage/storage.js';
import { silentContext } from '../../support/silent-context.js';
import { snapshotFolder, writeStoredArchive, writeStoredPlain } from '../../support/stored-snapshots.js';
import { runs } from '../../support/runs.js';

const context = silentContext();
const monday = new Date('2026-11-23T02:15:00Z');
const tuesday = new Date('2026-11-24T02:15:00Z');

const catalogOf = (folder: string): Promise<Catalog> => readCatalog(context, new DirectoryStorage(folder));

const verification = {
  verifiedAt: new Date('2026-11-24T03:00:00Z'),
  revision: 884n,
  digest: 'a'.repeat(64),
  tool: 'sensu-ferry 0.1.0',
};

it('lists archives by their manifest and plain snapshots by their name, newest first', async () => {
  const folder = snapshotFolder();
  const archive = await writeStoredArchive(folder, { createdAt: monday, revision: 9_007_199_254_740_993n });
  const plain = writeStoredPlain(folder, { createdAt: tuesday, revision: 900n });
  const { snapshots, strays } = await catalogOf(folder);
  expect(strays).toEqual([]);
  expect(snapshots).toMatchObject([
    { name: plain, createdAt: tuesday, revision: 900n, keys: undefined, size: 8224, storedSize: 8224 },
    { name: archive, createdAt: monday, revision: 9_007_199_254_740_993n, keys: 12, size: 5000 },
  ]);
  expect(snapshots[1]!.storedSize).toBe(readFileSync(join(folder, archive)).length);
});

it('reads no more than the end of an archive', async () => {
  const folder = snapshotFolder();
  await writeStoredArchive(folder, { createdAt: monday, size: 3_000_000 });
  const ranges: (ByteRange | undefined)[] = [];
  const watched: Storage = new (class extends DirectoryStorage {
    override read(name: string, signal: AbortSignal, range?: ByteRange): AsyncGenerator<Buffer> {
      ranges.push(range);
      return super.read(name, signal, range);
    }
  })(folder);
  expect((await readCatalog(context, watched)).snapshots).toHaveLength(1);
  expect(ranges.map((range) => range!.end - range!.start)).toEqual([64 * 1024]);
});

it('sets foreign, damaged and unfinished files apart', async () => {
  const folder = snapshotFolder();
  const good = await writeStoredArchive(folder, { createdAt: monday });
  const cut = await writeStoredArchive(folder, { createdAt: tuesday });
  truncateSync(join(folder, cut), 4000);
  const cutPlain = writeStoredPlain(folder, { createdAt: tuesday });
  truncateSync(join(folder, cutPlain), 4096);
  writeFileSync(join(folder, 'empty.sferry'), '');
  for (const name of ['notes.txt', 'member.db', 'sensu-20269999T999999Z-r1.db', 'etcd.db.verified.json']) {
    writeFileSync(join(folder, name), 'of somebody else');
  }
  writeFileSync(join(folder, '.sensu-ferry-0123.part'), 'of a run that was killed');
  const { snapshots, strays, orphans } = await catalogOf(folder);
  expect(snapshots.map(({ name }) => name)).toEqual([good]);
  expect(strays.filter(({ kind }) => kind === 'damaged').map(({ name }) => name)).toEqual(
    [cut, cutPlain, 'empty.sferry'].sort(),
  );
  expect(strays.filter(({ kind }) => kind === 'foreign').map(({ name }) => name)).toEqual(
    ['member.db', 'notes.txt', 'sensu-20269999T999999Z-r1.db'].sort(),
  );
  expect(orphans).toEqual([]);
});

/** A folder whose files of these names cannot be read for that reason. */
function refusing(folder: string, names: readonly string[], error: FerryError): Storage {
  return new (class extends DirectoryStorage {
    override read(name: string, signal: AbortSignal, range?: ByteRange): AsyncGenerator<Buffer> {
      if (names.includes(name)) throw error;
      return super.read(name, signal, range);
    }
  })(folder);
}

const failure = (kind: FailureKind): FerryError =>
  new FerryError({ kind, code: 'TEST', message: 'It may not be read.', hint: 'None.' });

it.each(['denied', 'source'] as const)('sets apart, unharmed, what cannot be read: %s', async (kind) => {
  const folder = snapshotFolder();
  const good = await writeStoredArchive(folder, { createdAt: monday });
  const hidden = await writeStoredArchive(folder, { createdAt: tuesday });
  const storage = refusing(folder, [hidden], failure(kind));
  const { snapshots, strays } = await readCatalog(context, storage);
  expect(snapshots.map(({ name }) => name)).toEqual([good]);
  expect(strays).toEqual([{ name: hidden, kind: 'unreadable', reason: 'It may not be read.' }]);
});

it('is no empty list for somebody who may read nothing, or when the server is away', async () => {
  const folder = snapshotFolder();
  const names = [
    await writeStoredArchive(folder, { createdAt: monday }),
    await writeStoredArchive(folder, { createdAt: tuesday }),
  ];
  writeFileSync(join(folder, 'notes.txt'), '');
  const denied = refusing(folder, names, failure('denied'));
  await expect(readCatalog(context, denied)).rejects.toMatchObject({ kind: 'denied' });
  const forbidden = {
    kind: 'source',
    code: 'LOCATION_UNREADABLE',
    message: 'EACCES',
    hint: 'None.',
  } as const;
  const ofAnother = refusing(folder, names, new FerryError(forbidden));
  await expect(readCatalog(context, ofAnother)).rejects.toMatchObject({ code: 'LOCATION_UNREADABLE' });
  const away = refusing(folder, names.slice(1), failure('unreachable'));
  await expect(readCatalog(context, away)).rejects.toMatchObject({ kind: 'unreachable' });
});

it('takes what a newer version has written for unreadable, and a version number that was hit for damage', async () => {
  const folder = snapshotFolder();
  const name = await writeStoredArchive(folder, { createdAt: monday });
  const path = join(folder, name);
  const text = readFileSync(path, 'latin1');
  const hit = text.replace('"version": 1,', '"version": 3,');
  writeFileSync(path, hit, 'latin1');
  expect((await catalogOf(folder)).strays).toMatchObject([{ name, kind: 'damaged' }]);
  writeFileSync(path, sealed(hit), 'latin1');
  expect((await catalogOf(folder)).strays).toEqual([
    { name, kind: 'unreadable', reason: expect.stringContaining('format 3') as string },
  ]);
});

/** With the seal that belongs to the manifest at the end of this archive. */
function sealed(archive: string): string {
  const start = archive.lastIndexOf('{\n  "format"');
  const end = archive.lastIndexOf('}\n') + 2;
  const manifest = archive.slice(start, end).replace(/"seal": "[0-9a-f]{64}"/, `"seal": "${'0'.repeat(64)}"`);
  const seal = createHash('sha256').update(manifest, 'latin1').digest('hex');
  return archive.slice(0, start) + manifest.replace('0'.repeat(64), seal) + archive.slice(end);
}

it('whatever is in an archive, lists it or sets it apart', async () => {
  const folder = snapshotFolder();
  const name = await writeStoredArchive(folder, { createdAt: monday });
  const whole = readFileSync(join(folder, name));
  const damage = fc.oneof(
    fc.record({ at: fc.nat(whole.length - 1), mask: fc.integer({ min: 1, max: 255 }) }),
    fc.record({ cutTo: fc.nat(whole.length - 1) }),
    fc.record({ added: fc.uint8Array({ minLength: 1, maxLength: 2048 }) }),
  );
  await fc.assert(
    fc.asyncProperty(damage, async (how) => {
      let bytes = Buffer.from(whole);
      if ('at' in how) bytes[how.at]! ^= how.mask;
      else if ('cutTo' in how) bytes = bytes.subarray(0, how.cutTo);
      else bytes = Buffer.concat([bytes, how.added]);
      writeFileSync(join(folder, name), bytes);
      const { snapshots, strays } = await catalogOf(folder);
      expect(snapshots.length + strays.length).toBe(1);
      if (bytes.length !== whole.length) expect(strays).toMatchObject([{ kind: 'damaged' }]);
    }),
    { numRuns: runs(300) },
  );
});

it('knows a snapshot that was verified, and only that one', async () => {
  const folder = snapshotFolder();
  const storage = new DirectoryStorage(folder);
  const names = [
    await writeStoredArchive(folder, { createdAt: monday }),
    writeStoredPlain(folder, { createdAt: tuesday }),
  ];
  for (const name of names) await markVerified(context, storage, name, verification);
  const { snapshots } = await catalogOf(folder);
  expect(snapshots).toMatchObject([{ verification }, { verification }]);
  // Another file in the place of the one that was verified.
  for (const name of names) rmSync(join(folder, name));
  await writeStoredArchive(folder, { createdAt: monday });
  writeStoredPlain(folder, { createdAt: tuesday });
  expect((await catalogOf(folder)).snapshots.map(({ verifiedAt }) => verifiedAt)).toEqual([
    undefined,
    undefined,
  ]);
});

it.each([
  ['has another byte in its middle', (bytes: Buffer) => void (bytes[2000]! ^= 1)],
  ['was written again', () => undefined],
])('takes a snapshot for unverified that %s since', async (_what, change) => {
  const folder = snapshotFolder();
  const storage = new DirectoryStorage(folder);
  const name = await writeStoredArchive(folder, { createdAt: monday });
  const path = join(folder, name);
  const seen = await identify(context, storage, name);
  await markVerified(context, storage, name, verification, seen);
  expect((await catalogOf(folder)).snapshots).toMatchObject([{ verification }]);
  const bytes = readFileSync(path);
  change(bytes);
  writeFileSync(path, bytes);
  utimesSync(path, monday, tuesday);
  expect((await catalogOf(folder)).snapshots).toMatchObject([{ verification: undefined }]);
  await expect(markVerified(context, storage, name, verification, seen)).rejects.toMatchObject({
    code: 'SNAPSHOT_CHANGED',
  });
});

it('takes no word for a verification that is damaged or of another snapshot', async () => {
  const folder = snapshotFolder();
  const first = await writeStoredArchive(folder, { createdAt: monday });
  const second = await writeStoredArchive(folder, { createdAt: tuesday });
  await markVerified(context, new DirectoryStorage(folder), first, verification);
  const side = join(folder, `${first}.verified.json`);
  copyFileSync(side, join(folder, `${second}.verified.json`));
  expect((await catalogOf(folder)).snapshots.map(({ verifiedAt }) => verifiedAt)).toEqual([
    undefined,
    verification.verifiedAt,
  ]);
  truncateSync(side, 40);
  expect((await catalogOf(folder)).snapshots[1]!.verifiedAt).toBeUndefined();
});

it('pins and unpins', async () => {
  const folder = snapshotFolder();
  const storage = new DirectoryStorage(folder);
  const name = await writeStoredArchive(folder, { createdAt: monday });
  const isPinned = async (): Promise<boolean> => (await catalogOf(folder)).snapshots[0]!.pinned;
  expect(await isPinned()).toBe(false);
  await pin(context, storage, name);
  expect(await isPinned()).toBe(true);
  await unpin(context, storage, name);
  await unpin(context, storage, name);
  expect(await isPinned()).toBe(false);
  writeFileSync(join(folder, 'notes.txt'), '');
  for (const missing of ['other.sferry', 'notes.txt', '../x.sferry']) {
    await expect(pin(context, storage, missing)).rejects.toMatchObject({ code: 'SNAPSHOT_MISSING' });
  }
});
