import { execFileSync } from 'node:child_process';
import {
  lstat,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  symlink,
  writeFile,
  type FileHandle,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { PartFile } from '../../src/core/part-file.js';
import { failureOf } from '../support/ferry-error.js';

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-part-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

async function written(path: string): Promise<PartFile> {
  const part = await PartFile.create(path);
  await part.write(Buffer.from('new'));
  return part;
}

/** Opening a pipe to see whether it is there waits for somebody who writes to it; a link that leads nowhere looks free. */
describe('a name that is taken', () => {
  const taken: readonly (readonly [string, (path: string) => unknown])[] = [
    ['a file', (path) => writeFile(path, 'mine')],
    ['a link that leads nowhere', (path) => symlink('/nowhere/at/all', path)],
    ['a pipe', (path) => execFileSync('mkfifo', [path])],
  ];

  it.each(taken)('by %s is not given to another', async (_what, take) => {
    const path = join(await newFolder(), 'dump.yml');
    const part = await written(path);
    // Between the start and the end of the work.
    await take(path);
    const before = await lstat(path);
    expect(await failureOf(part.commit(path))).toMatchObject({ kind: 'refused', code: 'FILE_EXISTS' });
    expect((await lstat(path)).ino).toBe(before.ino);
    expect(await readdir(join(path, '..'))).toEqual(['dump.yml']);
  });

  it('by a pipe or a device is not taken even where files may be replaced', async () => {
    const path = join(await newFolder(), 'dump.yml');
    const part = await written(path);
    execFileSync('mkfifo', [path]);
    expect(await failureOf(part.replace(path))).toMatchObject({ kind: 'refused', code: 'FILE_EXISTS' });
    expect((await lstat(path)).isFIFO()).toBe(true);
  });

  it('by a link is replaced as the link that it is', async () => {
    const folder = await newFolder();
    const [path, other] = [join(folder, 'dump.yml'), join(folder, 'other')];
    await writeFile(other, 'mine');
    await symlink(other, path);
    await (await written(path)).replace(path);
    expect(await readFile(path, 'utf8')).toBe('new');
    expect(await readFile(other, 'utf8')).toBe('mine');
  });
});

/** The trap: Linux tells a failed write-back to one sync alone, and the next one succeeds. */
it('gives no name to a file of which the disk did not take a part that was flushed while more came', async () => {
  const folder = await newFolder();
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
