import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { program, startProgram, testFolder } from '../support/ferry.js';

it('runs by itself through a link, and keeps its option --env-file from Node', async () => {
  const folder = await testFolder();
  const link = join(folder, 'sensu-ferry');
  await symlink(program, link);
  const options = ['--endpoints', 'http://127.0.0.1:1', '--sensu-password-file', join(folder, 'none')];
  const ended = await startProgram(
    link,
    [
      ...['migrate', 'embedded-to-external', '--run-dir', join(folder, 'run')],
      ...['--env-file', join(folder, 'not there'), ...options],
    ],
    {},
  ).finished;
  expect(ended.stderr).toContain('SECRET_FILE_UNUSABLE');
  expect(ended.code).toBe(2);
});

it('says what it needs where there is no Node', async () => {
  const ended = await startProgram(program, ['--help'], { env: { PATH: '/nonexistent' } }).finished;
  expect(ended.stderr).toBe('sensu-ferry: There is no node on the PATH. Install Node.js 20.19 or newer.\n');
  expect(ended.code).toBe(127);
});
