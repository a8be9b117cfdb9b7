import { execFileSync } from 'node:child_process';
import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ProcessResult, ProcessRunner } from '../../../src/core/context.js';
import { readLog } from '../../../src/sensu/backend/log-reader.js';

const since = new Date('2026-11-30T22:00:00Z');
const line = (time: string, msg: string): string => `${JSON.stringify({ msg, time })}\n`;
const before = line('2026-11-30T21:59:00Z', 'before');
const after = line('2026-11-30T22:00:01Z', 'after');

function answering(
  ...answers: readonly Partial<ProcessResult>[]
): ProcessRunner & { readonly asked: string[][] } {
  const asked: string[][] = [];
  const left = [...answers];
  const run = (command: string, args: readonly string[]): Promise<ProcessResult> => {
    asked.push([command, ...args]);
    return Promise.resolve({ exitCode: 0, stdout: '', stderr: '', ...left.shift() });
  };
  return { asked, run, shell: run as never };
}

describe('a log in a file', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-log-'));
    path = join(folder, 'backend.log');
  });
  afterEach(() => rm(folder, { recursive: true }));

  const reader = (): ReturnType<typeof readLog> => readLog({ file: path }, since, answering());

  it('gives what was written since, and each line once and whole', async () => {
    await writeFile(path, before + after);
    const log = reader();
    expect(await log.read()).toEqual([after.trim()]);
    expect(await log.read()).toEqual([]);
    await appendFile(path, 'half a ');
    expect(await log.read()).toEqual([]);
    await appendFile(path, 'line\n');
    expect(await log.read()).toEqual(['half a line']);
  });

  it('goes on with the next file when the log is rotated', async () => {
    await writeFile(path, after);
    const log = reader();
    await log.read();
    await rename(path, `${path}.1`);
    await writeFile(path, 'the first of the new file\n');
    expect(await log.read()).toEqual(['the first of the new file']);
    await writeFile(path, 'cut\n');
    expect(await log.read()).toEqual(['cut']);
  });

  it('does not wait at a pipe for ever, and says what is not there', async () => {
    await expect(reader().read()).rejects.toMatchObject({ code: 'LOG_UNREADABLE' });
    execFileSync('mkfifo', [path]);
    await expect(reader().read()).rejects.toMatchObject({ code: 'LOG_UNREADABLE' });
  });
});

describe('a log in the journal', () => {
  it('goes on behind the last line that was read', async () => {
    const processes = answering(
      { stdout: 'one\ntwo\n-- cursor: s=abc;i=1\n' },
      { stdout: 'three\n-- cursor: s=abc;i=2\n' },
    );
    const log = readLog({ unit: 'sensu-backend' }, since, processes);
    expect(await log.read()).toEqual(['one', 'two']);
    expect(await log.read()).toEqual(['three']);
    expect(processes.asked.map((words) => words.at(-1))).toEqual([
      `--since=@${since.getTime() / 1000}`,
      '--after-cursor=s=abc;i=1',
    ]);
  });

  it('says so when journalctl gives nothing', async () => {
    const log = readLog({ unit: 'sensu-backend' }, since, answering({ exitCode: 1 }));
    await expect(log.read()).rejects.toMatchObject({ code: 'LOG_UNREADABLE' });
  });
});
