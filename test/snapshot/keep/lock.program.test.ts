import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { FerryError } from '../../../src/core/errors.js';
import { takeLock } from '../../../src/snapshot/keep/lock.js';
import { DirectoryStorage } from '../../../src/storage/directory.js';
import type { StoredFile } from '../../../src/storage/storage.js';
import { startProgram, type RunningFerry } from '../../support/ferry.js';
import { silentContext } from '../../support/silent-context.js';
import { snapshotFolder } from '../../support/stored-snapshots.js';

const context = silentContext();

const contender = fileURLToPath(new URL('lock-contender.js', import.meta.url));

function contend(folder: string, log: string, rounds: number, holdMs: number): RunningFerry {
  return startProgram(process.execPath, [contender, folder, log, String(rounds), String(holdMs)], {});
}

const linesOf = (log: string): string[] => readFileSync(log, 'utf8').split('\n').slice(0, -1);

/** Makes the lock that there is another one's, as far as `changes` say so. */
function change(folder: string, changes: object): void {
  const path = join(folder, 'sensu-ferry.lock.1');
  const holder = JSON.parse(readFileSync(path, 'utf8')) as object;
  writeFileSync(path, JSON.stringify({ ...holder, token: 'another', ...changes }));
}

const elsewhere = { host: 'backup-2', pid: 1, pidSpace: 'of another machine' };

/** By the file system, which is the storage's clock. */
function age(folder: string, minutes: number): void {
  const time = new Date(Date.now() - minutes * 60_000);
  utimesSync(join(folder, 'sensu-ferry.lock.1'), time, time);
}

describe('a lock', () => {
  it('is one run’s, and names it to the others', async () => {
    const folder = snapshotFolder();
    const storage = new DirectoryStorage(folder);
    const lock = await takeLock(context, storage);
    await expect(takeLock(context, storage)).rejects.toMatchObject({
      kind: 'locked',
      code: 'LOCKED',
      message: expect.stringMatching(
        `^Process ${process.pid} on ${hostname()} \\(since 20.*Z\\) is at work in ${folder}\\.$`,
      ) as string,
    });
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
    await (await takeLock(context, storage)).release();
  });

  it('of a process that is gone is taken over, also when another process has its id now', async () => {
    const folder = snapshotFolder();
    const storage = new DirectoryStorage(folder);
    for (const dead of [{ pid: 2 ** 22 + 1 }, { startedAt: '1' }]) {
      await takeLock(context, storage);
      change(folder, dead);
      const lock = await takeLock(context, storage);
      expect(readdirSync(folder)).toEqual(['sensu-ferry.lock.2']);
      await lock.release();
    }
  });

  it('of another host excludes this one until it was not refreshed for long, by the clock of the storage', async () => {
    const folder = snapshotFolder();
    const storage = new DirectoryStorage(folder);
    await takeLock(context, storage);
    change(folder, elsewhere);
    const lateHere = { ...context, clock: { now: () => new Date(Date.now() + 86_400_000) } };
    const held = { code: 'LOCKED', message: expect.stringContaining('1 on backup-2') as string };
    await expect(takeLock(lateHere, storage)).rejects.toMatchObject(held);
    age(folder, 14);
    await expect(takeLock(lateHere, storage)).rejects.toMatchObject(held);
    expect(readdirSync(folder)).toEqual(['sensu-ferry.lock.1']);
    age(folder, 16);
    const lock = await takeLock(context, storage);
    expect(readdirSync(folder)).toEqual(['sensu-ferry.lock.2']);
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('whose time lies in the future is as old as one of the past, or a planted one would hold for ever', async () => {
    const folder = snapshotFolder();
    const storage = new DirectoryStorage(folder);
    await takeLock(context, storage);
    change(folder, elsewhere);
    age(folder, -16);
    await (await takeLock(context, storage)).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('that names a process which runs but does not refresh it counts no more in the end, and its file is named', async () => {
    const folder = snapshotFolder();
    const storage = new DirectoryStorage(folder);
    await takeLock(context, storage);
    change(folder, {});
    await expect(takeLock(context, storage)).rejects.toMatchObject({
      code: 'LOCKED',
      hint: expect.stringContaining(`remove ${folder}/sensu-ferry.lock.1.`) as string,
    });
    age(folder, 16);
    await (await takeLock(context, storage)).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('with the largest number does not end the counting', async () => {
    const folder = snapshotFolder();
    const storage = new DirectoryStorage(folder);
    writeFileSync(join(folder, 'sensu-ferry.lock.999999999'), '');
    writeFileSync(join(folder, 'sensu-ferry.lock.1000000000'), 'of another program');
    const past = new Date(Date.now() - 16 * 60_000);
    utimesSync(join(folder, 'sensu-ferry.lock.999999999'), past, past);
    const lock = await takeLock(context, storage);
    await lock.release();
    expect(readdirSync(folder)).toEqual(['sensu-ferry.lock.1000000000']);
  });

  it('that cannot be read is judged by its age', async () => {
    const folder = snapshotFolder();
    const storage = new DirectoryStorage(folder);
    writeFileSync(join(folder, 'sensu-ferry.lock.1'), '{"half');
    await expect(takeLock(context, storage)).rejects.toMatchObject({ code: 'LOCKED' });
    age(folder, 16);
    await (await takeLock(context, storage)).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('of another user, whose file may not be read, is judged by its age too', async () => {
    const folder = snapshotFolder();
    const storage = new (class extends DirectoryStorage {
      override read(name: string, signal: AbortSignal): AsyncGenerator<Buffer> {
        if (name !== 'sensu-ferry.lock.1') return super.read(name, signal);
        const denied = { kind: 'source', code: 'LOCATION_UNREADABLE', message: 'EACCES', hint: '' } as const;
        throw new FerryError(denied);
      }
    })(folder);
    writeFileSync(join(folder, 'sensu-ferry.lock.1'), '{}');
    await expect(takeLock(context, storage)).rejects.toMatchObject({ code: 'LOCKED' });
    age(folder, 16);
    await (await takeLock(context, storage)).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is not taken for a dead one’s on a storage that does not list what was just written', async () => {
    const folder = snapshotFolder();
    const storage = new (class extends DirectoryStorage {
      override async *list(signal: AbortSignal): AsyncGenerator<StoredFile> {
        for await (const file of super.list(signal)) if (!file.name.endsWith('-clock')) yield file;
      }
    })(folder);
    await takeLock(context, storage);
    change(folder, elsewhere);
    age(folder, 16);
    await expect(takeLock(context, storage)).rejects.toMatchObject({ code: 'LOCKED' });
  });

  it.each([
    ['ahead', 40],
    ['behind', -40],
  ])('of a host whose clock is %s is as old as the storage says', async (_what, minutes) => {
    const folder = snapshotFolder();
    const skewed = { ...context, clock: { now: () => new Date(Date.now() + minutes * 60_000) } };
    const storage = new DirectoryStorage(folder);
    await takeLock(skewed, storage);
    change(folder, elsewhere);
    await expect(takeLock(context, storage)).rejects.toMatchObject({ code: 'LOCKED' });
    age(folder, 16);
    await (await takeLock(skewed, storage)).release();
  });

  it('that was lost leaves no file behind, if a refresh has made it anew', async () => {
    const folder = snapshotFolder();
    const storage = new DirectoryStorage(folder);
    const sleeper = await takeLock(context, storage, { refreshMs: 100, staleMs: 900_000 });
    const own = readFileSync(join(folder, 'sensu-ferry.lock.1'));
    await storage.remove('sensu-ferry.lock.1', context.signal);
    await vi.waitFor(() => {
      expect(sleeper.signal.aborted).toBe(true);
    }, 30_000);
    writeFileSync(join(folder, 'sensu-ferry.lock.1'), own);
    await sleeper.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is refreshed while it is held', async () => {
    const folder = snapshotFolder();
    const lock = await takeLock(context, new DirectoryStorage(folder), { refreshMs: 20, staleMs: 900_000 });
    age(folder, 16);
    await vi.waitFor(() => {
      const { mtimeMs } = statSync(join(folder, 'sensu-ferry.lock.1'));
      expect(Date.now() - mtimeMs).toBeLessThan(60_000);
    }, 30_000);
    await expect(takeLock(context, new DirectoryStorage(folder))).rejects.toMatchObject({ code: 'LOCKED' });
    expect(lock.signal.aborted).toBe(false);
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('that another run has taken over stops the one that slept, which leaves the other’s alone', async () => {
    const folder = snapshotFolder();
    const storage = new DirectoryStorage(folder);
    const sleeper = await takeLock(context, storage, { refreshMs: 100, staleMs: 900_000 });
    await storage.remove('sensu-ferry.lock.1', context.signal);
    const other = await takeLock(context, storage);
    await vi.waitFor(() => {
      expect(sleeper.signal.reason).toMatchObject({ code: 'LOCK_LOST', kind: 'locked' });
    }, 30_000);
    await sleeper.release();
    expect(readdirSync(folder)).toEqual(['sensu-ferry.lock.1']);
    await other.release();
  });
});

describe('processes that want the same lock', () => {
  it('never have it at once', async () => {
    const folder = snapshotFolder();
    const log = join(snapshotFolder(), 'log');
    const ended = await Promise.all(Array.from({ length: 4 }, () => contend(folder, log, 10, 3).finished));
    expect(ended.map(({ code, stderr }) => ({ code, stderr }))).toEqual(
      ended.map(() => ({ code: 0, stderr: '' })),
    );
    const lines = linesOf(log);
    expect(lines).toHaveLength(80);
    for (let at = 0; at < lines.length; at += 2) {
      expect(lines[at]).toBe(lines[at + 1]!.replace('-', '+'));
    }
    expect(readdirSync(folder)).toEqual([]);
  });

  it('take over a killed holder’s one after the other', async () => {
    const folder = snapshotFolder();
    for (let round = 0; round < 3; round += 1) {
      const log = join(snapshotFolder(), 'log');
      const holder = contend(folder, log, 1, 60_000);
      await vi.waitFor(() => {
        expect(linesOf(log)).toHaveLength(1);
      }, 30_000);
      const waiting = Array.from({ length: 4 }, () => contend(folder, log, 1, 20));
      await setTimeout(300);
      holder.child.kill('SIGKILL');
      await holder.finished.catch(() => undefined);
      await Promise.all(waiting.map(({ finished }) => finished));
      const lines = linesOf(log).slice(1);
      expect(lines).toHaveLength(8);
      for (let at = 0; at < lines.length; at += 2) {
        expect(lines[at]).toBe(lines[at + 1]!.replace('-', '+'));
      }
      expect(readdirSync(folder)).toEqual([]);
    }
  });
});
