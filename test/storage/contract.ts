import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Storage, StoredFile } from '../../src/storage/storage.js';

const { signal } = new AbortController();

export async function namesIn(storage: Storage): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of storage.list(signal)) names.push(name);
  return names.sort();
}

export async function contentOf(storage: Storage, name: string, range?: [number, number]): Promise<Buffer> {
  const parts: Buffer[] = [];
  const bytes = storage.read(name, signal, range && { start: range[0], end: range[1] });
  for await (const part of bytes) parts.push(part);
  return Buffer.concat(parts);
}

export async function write(storage: Storage, name: string, chunks: readonly Buffer[]): Promise<void> {
  const writer = await storage.create(name, signal);
  for (const chunk of chunks) await writer.write(chunk);
  await writer.commit();
}

/** What every storage keeps to; `open` gives an empty one, another one each time. */
export function itKeepsTheContract(open: () => Promise<Storage>): void {
  // More than a part of an upload, in pieces that divide nothing.
  const chunks = Array.from({ length: 21 }, () => randomBytes(1_000_003));
  const whole = Buffer.concat(chunks);

  it('gives back what was written, and lists it with its size', async () => {
    const storage = await open();
    expect(await namesIn(storage)).toEqual([]);
    const before = Date.now();
    await write(storage, 'large.sferry', chunks);
    await write(storage, 'empty', []);
    expect((await contentOf(storage, 'large.sferry')).equals(whole)).toBe(true);
    expect(await contentOf(storage, 'empty')).toHaveLength(0);
    const listed: StoredFile[] = [];
    for await (const file of storage.list(signal)) listed.push(file);
    expect(listed.map(({ name, size }) => [name, size]).sort()).toEqual([
      ['empty', 0],
      ['large.sferry', whole.length],
    ]);
    // Clocks of file systems and servers run in steps of their own.
    for (const { modifiedAt } of listed) {
      expect(Math.abs(modifiedAt.getTime() - before)).toBeLessThan(600_000);
    }
  });

  it('reads the range that is asked for, and no further than the end', async () => {
    const storage = await open();
    await write(storage, 'file', [Buffer.from('0123456789')]);
    expect(String(await contentOf(storage, 'file', [3, 6]))).toBe('345');
    expect(String(await contentOf(storage, 'file', [8, 100]))).toBe('89');
    expect(String(await contentOf(storage, 'file', [4, 4]))).toBe('');
  });

  it('lists nothing of a file that is not committed, and keeps nothing of one that is given up', async () => {
    const storage = await open();
    const writer = await storage.create('unfinished', signal);
    for (const chunk of chunks) await writer.write(chunk);
    expect(writer.size).toBe(whole.length);
    expect(await namesIn(storage)).toEqual([]);
    await writer.abort();
    await writer.abort();
    expect(await namesIn(storage)).toEqual([]);
    await expect(contentOf(storage, 'unfinished')).rejects.toMatchObject({ code: 'STORED_FILE_MISSING' });
  });

  it('keeps a committed file when its writer is given up afterwards', async () => {
    const storage = await open();
    const writer = await storage.create('kept', signal);
    await writer.commit();
    await writer.abort();
    expect(await namesIn(storage)).toEqual(['kept']);
  });

  it('does not write over a file', async () => {
    const storage = await open();
    await write(storage, 'file', [Buffer.from('first')]);
    await expect(write(storage, 'file', [Buffer.from('second')])).rejects.toMatchObject({
      kind: 'refused',
      code: 'FILE_EXISTS',
    });
    expect(String(await contentOf(storage, 'file'))).toBe('first');
  });

  it('says which file is missing', async () => {
    const storage = await open();
    const missing = {
      kind: 'source',
      code: 'STORED_FILE_MISSING',
      message: expect.stringContaining('gone') as string,
    };
    await expect(contentOf(storage, 'gone')).rejects.toMatchObject(missing);
    await expect(contentOf(storage, 'gone', [2, 4])).rejects.toMatchObject(missing);
  });

  it('puts a small file in place of another', async () => {
    const storage = await open();
    await storage.put('pin', Buffer.from('one, and longer'), signal);
    await storage.put('pin', Buffer.from('two'), signal);
    expect(String(await contentOf(storage, 'pin'))).toBe('two');
    expect(await namesIn(storage)).toEqual(['pin']);
  });

  it('lets one of many have a name that nobody has', async () => {
    const storage = await open();
    const tries = Array.from({ length: 8 }, (_, index) => String(index));
    const won = await Promise.all(
      tries.map((text) => storage.putIfAbsent('lock', Buffer.from(text), signal)),
    );
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(String(await contentOf(storage, 'lock'))).toBe(tries[won.indexOf(true)]);
    expect(await storage.putIfAbsent('lock', Buffer.from('late'), signal)).toBe(false);
    await storage.remove('lock', signal);
    expect(await storage.putIfAbsent('lock', Buffer.from('next'), signal)).toBe(true);
    expect(await namesIn(storage)).toEqual(['lock']);
  });

  it('removes a file once, and once more', async () => {
    const storage = await open();
    await write(storage, 'file', [Buffer.from('x')]);
    await storage.remove('file', signal);
    await storage.remove('file', signal);
    expect(await namesIn(storage)).toEqual([]);
  });

  it('frees what killed writers have left, but nothing younger and nothing else', async () => {
    const storage = await open();
    await storage.put('small', Buffer.from('stays'), signal);
    const left = await storage.create('left.sferry', signal);
    for (const chunk of chunks) await left.write(chunk);
    // A writer that was killed sends nothing any more; this one may have parts on their way.
    await setTimeout(1000);
    await storage.removeUnfinished(new Date(Date.now() - 3_600_000), signal);
    await storage.removeUnfinished(new Date(Date.now() + 3_600_000), signal);
    await expect(left.commit()).rejects.toThrow();
    expect(await namesIn(storage)).toEqual(['small']);
  });

  it.each(['', '.', '..', '../up', 'a/b', 'nul\0'])(
    'takes no name that leads elsewhere: %j',
    async (name) => {
      const storage = await open();
      const bad = { kind: 'usage', code: 'NAME_UNUSABLE' };
      await expect(storage.create(name, signal)).rejects.toMatchObject(bad);
      await expect(storage.put(name, Buffer.from(''), signal)).rejects.toMatchObject(bad);
      await expect(storage.remove(name, signal)).rejects.toMatchObject(bad);
      await expect(contentOf(storage, name)).rejects.toMatchObject(bad);
    },
  );

  it('stops when it is told to', async () => {
    const storage = await open();
    await write(storage, 'file', chunks);
    const abort = new AbortController();
    const reading = storage.read('file', abort.signal)[Symbol.asyncIterator]();
    await reading.next();
    abort.abort(new Error('stopped here'));
    const rest = async (): Promise<void> => {
      while ((await reading.next()).done !== true);
    };
    await expect(rest()).rejects.toThrow('stopped here');
    await expect(storage.create('another', abort.signal)).rejects.toThrow('stopped here');
  });
}
