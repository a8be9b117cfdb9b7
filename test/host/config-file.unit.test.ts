import { chmod, chown, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { replaceConfigFile } from '../../src/host/config-file.js';

const now = new Date('2026-11-23T10:11:12.345Z');
let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-config-'));
  path = join(folder, 'backend.yml');
});
afterEach(() => rm(folder, { recursive: true }));

const mode = async (file: string): Promise<number> => (await stat(file)).mode & 0o777;

describe('replaceConfigFile', () => {
  it('keeps the old content under a name with the time, and its mode', async () => {
    await writeFile(path, 'old');
    await chmod(path, 0o640);
    const { movedTo } = await replaceConfigFile(path, 'new', now);
    expect(movedTo).toBe(`${path}.20261123T101112Z.bak`);
    expect(await readFile(path, 'utf8')).toBe('new');
    expect(await readFile(movedTo!, 'utf8')).toBe('old');
    expect([await mode(path), await mode(movedTo!)]).toEqual([0o640, 0o640]);
  });

  it('keeps the owner of the file and gives it to the copy', async () => {
    // Only root can give a file away, and only then can there be another owner.
    const owner = process.getuid!() === 0 ? 12345 : process.getuid!();
    await writeFile(path, 'old', { mode: 0o600 });
    await chown(path, owner, process.getgid!());
    const { movedTo } = await replaceConfigFile(path, 'new', now);
    expect([(await stat(path)).uid, (await stat(movedTo!)).uid]).toEqual([owner, owner]);
  });

  it('never overwrites a copy', async () => {
    await writeFile(path, '1');
    await replaceConfigFile(path, '2', now);
    await replaceConfigFile(path, '3', now);
    expect((await readdir(folder)).sort()).toEqual([
      'backend.yml',
      'backend.yml.20261123T101112Z-1.bak',
      'backend.yml.20261123T101112Z.bak',
    ]);
  });

  it('narrows the mode of a file that gets a secret, and of its copy', async () => {
    await writeFile(path, 'A=1');
    await chmod(path, 0o644);
    const { movedTo } = await replaceConfigFile(path, 'A=1\nP="x"', now, { mode: 0o600 });
    expect([await mode(path), await mode(movedTo!)]).toEqual([0o600, 0o600]);
  });

  it('makes a new file 0600', async () => {
    expect(await replaceConfigFile(path, 'new', now)).toEqual({ movedTo: undefined });
    expect(await mode(path)).toBe(0o600);
  });

  it('refuses a symbolic link and leaves its target alone', async () => {
    await writeFile(join(folder, 'real'), 'managed');
    await symlink('real', path);
    await expect(replaceConfigFile(path, 'new', now)).rejects.toMatchObject({
      kind: 'refused',
      code: 'FILE_IS_LINK',
    });
    expect(await readFile(join(folder, 'real'), 'utf8')).toBe('managed');
  });

  it('names the file when its directory is not there', async () => {
    await expect(replaceConfigFile(join(folder, 'none', 'x'), 'new', now)).rejects.toMatchObject({
      code: 'CONFIG_NOT_WRITTEN',
      message: expect.stringContaining('none') as string,
    });
  });
});
