import { readdirSync, readFileSync, readlinkSync, symlinkSync, unlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { takeRunLock } from '../../../src/migrate/engine/run-lock.js';
import { startProgram } from '../../support/ferry.js';
import { snapshotFolder } from '../../support/stored-snapshots.js';

const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8);
const space = readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
const dead = 2 ** 22 + 1;

/** A run directory with the lock of somebody else. */
function locked(words: readonly (string | number)[]): string {
  const folder = snapshotFolder();
  symlinkSync(words.join(' '), join(folder, 'lock.1'));
  return folder;
}

describe('the lock of a run directory', () => {
  it('keeps a second process out, names the first, and is gone after it', async () => {
    const folder = snapshotFolder();
    const lock = await takeRunLock(folder);
    await expect(takeRunLock(folder)).rejects.toMatchObject({
      code: 'RUN_LOCKED',
      kind: 'locked',
      message: expect.stringMatching(`^Process ${process.pid} on .+ is working in ${folder}.$`) as string,
    });
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([
    ['whose process is gone', [dead, 1, boot, space, 'aaaa', hostname()]],
    ['whose process id another process has now', [process.pid, 1, boot, space, 'aaaa', hostname()]],
    ['that names a process that no system can have', [4_294_967_297, 1, boot, space, 'aaaa', hostname()]],
    // The operator who wants the backend back after a crash of the machine must not wait.
    ['from before this machine was last started', [1, 1, '00000000', space, 'aaaa', hostname().slice(0, 8)]],
  ])('%s is taken over at once', async (_what, words) => {
    const folder = locked(words);
    await (await takeRunLock(folder)).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([
    ['of another host', [1, 1, '00000000', space, 'aaaa', 'another-host']],
    ['of another container', [1, 1, boot, '1', 'aaaa', hostname()]],
    ['that names nobody', ['nobody']],
  ])('%s is not, but the way out is told', async (_what, words) => {
    const folder = locked(words);
    await expect(takeRunLock(folder)).rejects.toMatchObject({
      code: 'RUN_LOCKED',
      message: expect.stringContaining('cannot be seen whether it still runs') as string,
      hint: expect.stringContaining(`remove ${folder}/lock.1`) as string,
    });
    unlinkSync(join(folder, 'lock.1'));
    await (await takeRunLock(folder)).release();
  });

  it('has room in the inode of ext4, or a full disk would keep a rollback out', async () => {
    const folder = snapshotFolder();
    await takeRunLock(folder);
    expect(readlinkSync(join(folder, 'lock.1')).length).toBeLessThan(60);
  });

  it('is never had by two processes that find the same dead holder', async () => {
    const contender = fileURLToPath(new URL('run-lock-contender.js', import.meta.url));
    const folder = snapshotFolder();
    const both = [1, 2].map(() => startProgram(process.execPath, [contender, folder, '300'], {}).finished);
    const ended = await Promise.all(both);
    expect(ended.map(({ code, stderr }) => ({ code, stderr }))).toEqual(
      ended.map(() => ({ code: 0, stderr: '' })),
    );
    expect(ended.map(({ stdout }) => stdout)).toEqual(['alone\n', 'alone\n']);
  });
});
