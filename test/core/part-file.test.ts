import { mkdtemp, open, readdir, rm, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { PartFile } from '../../src/core/part-file.js';
import { failureOf } from '../sensu/api/ferry-error.js';

/** The trap: Linux tells a failed write-back to one sync alone, and the next one succeeds. */
it('gives no name to a file of which the disk did not take a part that was flushed while more came', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-part-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const handle = await open(join(folder, 'any'), 'w');
  const handles = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const lost = Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
  const flush = vi.spyOn(handles, 'datasync').mockRejectedValueOnce(lost);
  onTestFinished(() => {
    flush.mockRestore();
  });

  const part = await PartFile.create(join(folder, 'snapshot.db'));
  for (let written = 0; written < 40; written += 1) await part.write(Buffer.alloc(1024 * 1024));
  expect(flush).toHaveBeenCalledTimes(1);
  const failure = await failureOf(part.commit(join(folder, 'snapshot.db')));
  expect(failure).toMatchObject({ code: 'CANNOT_WRITE', kind: 'failed' });
  expect(failure.message).toContain('EIO');
  expect(await readdir(folder)).toEqual(['any']);
});
