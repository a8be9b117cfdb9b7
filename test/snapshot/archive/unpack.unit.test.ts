import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it, onTestFinished } from 'vitest';
import { Spool } from '../../../src/snapshot/archive/spool.js';
import { entryHead } from '../../../src/snapshot/archive/tar-head.js';
import { archiveAt, archiveIn, unpackArchive } from '../../../src/snapshot/archive/unpack.js';
import { openStorage } from '../../../src/storage/open.js';
import { silentContext } from '../../support/silent-context.js';
import { oddServer } from '../../storage/s3/odd-server.js';
import { snapshotFolder } from '../../support/stored-snapshots.js';
import { archiveOf, recordedPath } from '../verify/recorded.js';

const mebibyte = 1024 * 1024;

function openSpool(): Spool {
  const spool = new Spool(snapshotFolder(), 'plain');
  onTestFinished(() => {
    spool.close();
  });
  return spool;
}

function stored(bytes: Buffer): string {
  const path = join(snapshotFolder(), 'a.sferry');
  writeFileSync(path, bytes);
  return path;
}

/** An archive that holds more than its manifest tells. */
function lying(): Promise<Buffer> {
  return archiveOf(recordedPath('single-6.7.5'), ({ plain, ...rest }) => ({
    ...rest,
    plain: { ...plain, size: 4096 },
  }));
}

it('an archive that unpacks to more than its manifest says is left there', async () => {
  const path = stored(await lying());
  const spool = openSpool();
  await expect(unpackArchive(silentContext(), archiveAt(path), spool)).rejects.toMatchObject({
    kind: 'integrity',
    code: 'ARCHIVE_DAMAGED',
    message: expect.stringContaining('more than its manifest says') as string,
  });
  expect(spool.file.length).toBe(0);
});

it('the same from a bucket', async () => {
  const server = await oddServer({});
  onTestFinished(() => server.stop());
  const storage = await openStorage('s3://backups', server.env);
  const { signal } = silentContext();
  await storage.put('a.sferry', await lying(), signal);
  const archive = archiveIn('s3://backups/a.sferry', storage, 'a.sferry');
  await expect(unpackArchive(silentContext(), archive, openSpool())).rejects.toMatchObject({
    message: expect.stringContaining('more than its manifest says') as string,
  });
});

it('a chunk that unpacks to more than a chunk holds is damage', async () => {
  const chunk = gzipSync(Buffer.alloc(64 * mebibyte));
  const head = entryHead('snapshot.db.gz.000000', chunk.length, new Date(0));
  const path = stored(Buffer.concat([head, chunk, Buffer.alloc(512 - (chunk.length % 512))]));
  const spool = openSpool();
  await expect(unpackArchive(silentContext(), archiveAt(path), spool)).rejects.toMatchObject({
    code: 'ARCHIVE_DAMAGED',
    message: expect.stringContaining('damaged chunk 0') as string,
  });
  expect(spool.file.length).toBe(0);
});

it('what the disk has no room for is not begun', async () => {
  const spool = openSpool();
  await expect(spool.expectRoom(2 ** 60)).rejects.toMatchObject({
    code: 'CANNOT_SPOOL',
    message: expect.stringContaining('are free') as string,
    hint: expect.stringContaining('TMPDIR') as string,
  });
  await spool.expectRoom(1);
  const path = stored(await archiveOf(recordedPath('single-6.7.5')));
  await unpackArchive(silentContext(), archiveAt(path), spool);
  expect(spool.file.length).toBe(readFileSync(recordedPath('single-6.7.5')).length);
});
