import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { takeLock } from '../../src/snapshot/keep/lock.js';
import { DirectoryStorage } from '../../src/storage/directory.js';
import { silentContext } from '../support/silent-context.js';
import { compact, writeStoredArchive, writeStoredPlain } from '../support/stored-snapshots.js';
import { expectFailure, ferry, testFolder } from '../support/ferry.js';

const hour = 3_600_000;
const ago = (hours: number): Date => new Date(Math.floor((Date.now() - hours * hour) / 60_000) * 60_000);

async function threeNights(): Promise<{ readonly folder: string; readonly names: readonly string[] }> {
  const folder = await testFolder();
  const names: string[] = [];
  for (const hours of [58, 34, 10]) names.push(await writeStoredArchive(folder, { createdAt: ago(hours) }));
  return { folder, names };
}

describe('snapshot list', () => {
  it('is a table, newest first', async () => {
    const folder = await testFolder();
    const createdAt = ago(50);
    const plain = writeStoredPlain(folder, { createdAt: ago(3), revision: 900n });
    const archive = await writeStoredArchive(folder, { createdAt });
    expect((await ferry(['snapshot', 'pin', folder, archive])).code).toBe(0);
    const { code, stdout, stderr } = await ferry(['snapshot', 'list', folder]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [head, first, second, ...rest] = stdout.split('\n').map((line) => line.trim().split(/ {2,}/));
    expect(head).toEqual(['AGE', 'KEYS', 'STORED', 'VERIFIED', 'FILE']);
    expect(first!.filter(Boolean)).toEqual(['3 h', '8.0 KiB', 'no', plain]);
    expect(second!.filter(Boolean).toSpliced(2, 1)).toEqual(['2 d', '12', 'no', archive, 'pinned']);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
    expect(rest).toEqual([['']]);
  });

  it('warns of what is left out, and is one document for --json', async () => {
    const { folder, names } = await threeNights();
    await writeFile(join(folder, 'notes.txt'), '');
    const { code, stdout, stderr } = await ferry(['snapshot', 'list', folder, '--json']);
    expect(code).toBe(0);
    expect(stderr).toBe('Not snapshots of sensu-ferry, and left alone: notes.txt.\n');
    const document = JSON.parse(stdout) as { snapshots: { name: string; revision: unknown }[] };
    expect(document.snapshots.map(({ name }) => name)).toEqual(names.toReversed());
    expect(document.snapshots[0]!.revision).toBe('884');
  });

  it('says that there is none, and that there is no folder', async () => {
    const folder = await testFolder();
    expect((await ferry(['snapshot', 'list', folder])).stdout).toBe('There is no snapshot.\n');
    expectFailure(await ferry(['snapshot', 'list', join(folder, 'none')]), 2, 'LOCATION_MISSING');
  });
});

describe('snapshot prune', () => {
  it('shows with --plan what it removes with --yes', async () => {
    const { folder, names } = await threeNights();
    const plan = await ferry(['snapshot', 'prune', folder, '--keep-within', '20h', '--plan']);
    expect(plan.code).toBe(0);
    expect(plan.stdout).toMatch(/^2 snapshots to remove, 1 to keep\.$/m);
    expect(await readdir(folder)).toHaveLength(3);
    const pruned = await ferry(['snapshot', 'prune', folder, '--keep-within', '20h', '--yes']);
    expect(pruned).toMatchObject({ code: 0, stderr: '' });
    expect(pruned.stdout).toMatch(/^2 snapshots removed \(.*\), 1 kept\.\n$/);
    expect(await readdir(folder)).toEqual([names[2]]);
  });

  it('is silent with --quiet, unless there is something to see to', async () => {
    const { folder } = await threeNights();
    await writeFile(join(folder, 'notes.txt'), '');
    const prune = ['snapshot', 'prune', folder, '--keep-last', '2', '--yes', '--quiet'];
    expect(await ferry(prune)).toEqual({ code: 0, stdout: '', stderr: '' });
    await writeFile(join(folder, 'cut.sferry'), '');
    expect(await ferry(prune)).toMatchObject({
      ...{ code: 0, stdout: '' },
      stderr: expect.stringMatching(/^warning: Left out: cut\.sferry .*\n$/) as string,
    });
  });

  it.each([
    ['KEEP_MISSING', []],
    ['COUNT_UNUSABLE', ['--keep-last', '0']],
    ['COUNT_UNUSABLE', ['--keep-daily', '-1']],
    ['COUNT_UNUSABLE', ['--keep-weekly', '1.5']],
    ['DURATION_UNUSABLE', ['--keep-within', '30']],
    ['CONFIRMATION_MISSING', ['--keep-last', '1']],
  ])('removes nothing: %s', async (name, args) => {
    const { folder } = await threeNights();
    expectFailure(await ferry(['snapshot', 'prune', folder, ...args]), 2, name);
    expect(await readdir(folder)).toHaveLength(3);
  });

  it('leaves a place alone where another run is at work', async () => {
    const { folder } = await threeNights();
    const lock = await takeLock(silentContext(), new DirectoryStorage(folder));
    expectFailure(await ferry(['snapshot', 'prune', folder, '--keep-last', '1', '--yes']), 11, 'LOCKED');
    await lock.release();
    expect(await readdir(folder)).toHaveLength(3);
  });
});

describe('snapshot check', () => {
  const check = (...args: readonly string[]): ReturnType<typeof ferry> =>
    ferry(['snapshot', 'check', ...args]);

  it('ends as monitoring plugins do, with one line', async () => {
    const { folder } = await threeNights();
    const good = await check(folder, '--max-age', '26h');
    expect(good).toMatchObject({ code: 0, stderr: '' });
    expect(good.stdout).toMatch(
      /^SNAPSHOT OK - the newest snapshot is 10 h old, revision 884, 13\.0 KiB \| age=36\d\d\ds;;93600;0 size=\d+B;;;0 snapshots=3;;;0\n$/,
    );
    const old = await check(folder, '--max-age', '8h');
    expect(old.code).toBe(2);
    expect(old.stdout).toMatch(/^SNAPSHOT CRITICAL - the newest snapshot is 10 h old, more than 8 h \| /);
    await writeFile(join(folder, 'cut.sferry'), '');
    expect(await check(folder)).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^SNAPSHOT WARNING - .*damaged: cut\.sferry \| /) as string,
    });
    expect((await check(folder, '--require-verified')).code).toBe(2);
  });

  it.each([
    ['a place that cannot be read', ['/none']],
    ['a wrong option', ['/', '--no-such-option']],
    ['no place', []],
    ['a span of time that is none', ['/', '--max-age', 'old']],
  ])('is UNKNOWN for %s', async (_what, args) => {
    expect((await check(...args)).code).toBe(3);
  });
});

it('names of files cannot give orders to the terminal', async () => {
  const folder = await testFolder();
  await writeFile(join(folder, 'x\u001b[2J.sferry'), '');
  await writeStoredArchive(folder, { createdAt: ago(1), name: `\u001b[2J-${compact(ago(1))}-r1.sferry` });
  const { stdout, stderr } = await ferry(['snapshot', 'list', folder]);
  expect(stdout + stderr).not.toContain('\u001b');
  expect((await ferry(['snapshot', 'check', folder])).stdout).not.toContain('\u001b');
});
