import { chmod, mkdtemp, mkdir, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DirectoryStorage } from '../../src/storage/directory.js';
import { itKeepsTheContract, namesIn, write } from './contract.js';

const { signal } = new AbortController();

let folder: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-storage-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function newFolder(): Promise<string> {
  const path = join(folder, String(count++));
  await mkdir(path);
  return path;
}

describe('a folder', () => {
  itKeepsTheContract(async () => new DirectoryStorage(await newFolder()));

  it.each([
    [0o750, false],
    [0o770, true],
    // The sticky bit keeps others from replacing files, not from adding some.
    [0o1777, true],
  ])('with mode %o tells whether others can write to it: %s', async (mode, expected) => {
    const path = await newFolder();
    await chmod(path, mode);
    expect(await new DirectoryStorage(path).isWritableByOthers()).toBe(expected);
  });

  it('holds files that nobody else may read', async () => {
    const path = await newFolder();
    const storage = new DirectoryStorage(path);
    await write(storage, 'written', [Buffer.from('x')]);
    await storage.put('put', Buffer.from('x'), signal);
    await storage.putIfAbsent('lock', Buffer.from('x'), signal);
    const modes = await Promise.all(
      (await readdir(path)).map(async (name) => (await stat(join(path, name))).mode),
    );
    expect(modes.map((mode) => mode & 0o777)).toEqual([0o600, 0o600, 0o600]);
  });

  it('lists files of others, but neither folders nor links nor what is half written', async () => {
    const path = await newFolder();
    await writeFile(join(path, 'notes.txt'), 'x');
    await writeFile(join(path, 'half.sferry.part'), 'x');
    await mkdir(join(path, 'folder'));
    await symlink('notes.txt', join(path, 'link'));
    expect(await namesIn(new DirectoryStorage(path))).toEqual(['notes.txt']);
  });

  it('frees no part file of another program', async () => {
    const path = await newFolder();
    await writeFile(join(path, 'download.part'), 'x');
    await new DirectoryStorage(path).removeUnfinished(new Date(Date.now() + 3_600_000), signal);
    expect(await readdir(path)).toEqual(['download.part']);
  });

  it('that is not there is named', async () => {
    const storage = new DirectoryStorage(join(folder, 'nowhere'));
    const named = expect.stringContaining('nowhere') as string;
    await expect(namesIn(storage)).rejects.toMatchObject({ code: 'LOCATION_MISSING', message: named });
    await expect(storage.create('file', signal)).rejects.toMatchObject({
      code: 'CANNOT_WRITE',
      message: named,
    });
  });
});
