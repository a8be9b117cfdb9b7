import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { readFileOrPipe } from '../../src/core/file-or-pipe.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sensu-ferry-pipe-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
});

function newPipe(): string {
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  return path;
}

it('reads a file, and no more than the limit', async () => {
  const path = join(folder, 'file');
  writeFileSync(path, 'secret');
  expect((await readFileOrPipe(path, 6)).toString()).toBe('secret');
  await expect(readFileOrPipe(path, 5)).rejects.toMatchObject({ code: 'EFBIG' });
});

it('gives a pipe up that nobody writes to: to open it would wait past every deadline', async () => {
  await expect(readFileOrPipe(newPipe(), 100, 200)).rejects.toMatchObject({ code: 'ETIMEDOUT' });
});

it('reads what a program writes late, as behind <(command)', async () => {
  const path = newPipe();
  // Open for reading too, so that the shell's own opening does not wait.
  const writer = spawn('sh', ['-c', 'exec 3<>"$0"; echo; sleep 0.5; printf secret >&3', path]);
  await new Promise((resolve) => writer.stdout.once('data', resolve));
  const read = readFileOrPipe(path, 100);
  expect((await read).toString()).toBe('secret');
});

it('reads no more than the limit of a pipe that never ends', async () => {
  const path = newPipe();
  const writer = spawn('sh', ['-c', 'exec 3<>"$0"; echo; exec yes >&3', path]);
  onTestFinished(() => void writer.kill('SIGKILL'));
  await new Promise((resolve) => writer.stdout.once('data', resolve));
  await expect(readFileOrPipe(path, 1000)).rejects.toMatchObject({ code: 'EFBIG' });
});
