import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FerryError } from '../../../src/core/errors.js';
import { ArchiveWriter } from '../../../src/snapshot/archive/archive-writer.js';
import { chunkSize } from '../../../src/core/chunks.js';
import { readArchive } from '../../../src/snapshot/archive/archive-reader.js';
import type { Manifest } from '../../../src/snapshot/archive/manifest.js';
import { runs } from '../../support/runs.js';

const folder = mkdtempSync(join(tmpdir(), 'sensu-ferry-archive-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Half noise, half repetition, and no multiple of the chunk size. */
const plain = Buffer.concat([randomBytes(1_300_000), Buffer.alloc(1_900_123, 'sensu')]);

function manifestOf(stored: Manifest['stored']): Manifest {
  const hash = 'a'.repeat(64);
  return {
    format: 'sensu-ferry',
    version: 1,
    createdAt: '2026-11-23T00:00:00.000Z',
    tool: 'sensu-ferry 0.1.0',
    etcd: { version: '3.5.16', clusterId: 'ab', memberId: 'cd', memberName: 'default', revision: '884' },
    sensu: { clusterId: null, databaseVersion: '2' },
    content: {
      keys: 1,
      bytes: 1,
      leases: 0,
      prefixes: [],
      digest: { lasting: hash, lastingKeys: 1, ephemeral: hash, ephemeralKeys: 0, bytes: 1 },
    },
    plain: { size: plain.length, sha256: createHash('sha256').update(plain).digest('hex') },
    stored,
    notIncluded: [],
  };
}

async function write(path: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  const archive = new ArchiveWriter(
    {
      write: (bytes) => {
        parts.push(bytes);
        return Promise.resolve();
      },
    },
    new Date(0),
  );
  for (let at = 0; at < plain.length; at += chunkSize) await archive.add(plain.subarray(at, at + chunkSize));
  await archive.finish(manifestOf(await archive.finishSnapshot()));
  const bytes = Buffer.concat(parts);
  writeFileSync(path, bytes);
  return bytes;
}

async function read(path: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  const sink = {
    write: (bytes: Buffer): Promise<void> => {
      parts.push(bytes);
      return Promise.resolve();
    },
  };
  await readArchive({ path, bytes: createReadStream(path) }, sink);
  return Buffer.concat(parts);
}

describe('archive', () => {
  const path = join(folder, 'whole.sferry');
  let bytes: Buffer;
  beforeAll(async () => {
    bytes = await write(path);
  });

  it('gives back what was put in', async () => {
    expect((await read(path)).equals(plain)).toBe(true);
  });

  it('comes apart with tar, cat and gunzip, as the format is documented', () => {
    const out = mkdtempSync(join(folder, 'tar-'));
    execFileSync('sh', ['-c', 'tar -xf "$1" && cat snapshot.db.gz.* | gunzip > snapshot.db', 'sh', path], {
      cwd: out,
    });
    expect(readFileSync(join(out, 'snapshot.db')).equals(plain)).toBe(true);
    expect(JSON.parse(readFileSync(join(out, 'manifest.json'), 'utf8'))).toMatchObject({ version: 1 });
  });

  it('is refused when it is cut short, wherever', async () => {
    const cut = join(folder, 'cut.sferry');
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: bytes.length - 1 }), async (length) => {
        writeFileSync(cut, bytes.subarray(0, length));
        await expect(read(cut)).rejects.toMatchObject({ kind: 'integrity' });
      }),
      { numRuns: runs(60) },
    );
  });

  it('is refused with one byte changed, wherever a byte means something', async () => {
    const changed = join(folder, 'changed.sferry');
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: bytes.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (at, flip) => {
          const damaged = Buffer.from(bytes);
          damaged[at]! ^= flip;
          writeFileSync(changed, damaged);
          const outcome = await read(changed).catch((error: unknown) => error);
          // Padding behind an entry, and white space of the manifest, carry nothing.
          if (outcome instanceof Buffer) expect(outcome.equals(plain)).toBe(true);
          else expect(outcome).toBeInstanceOf(FerryError);
        },
      ),
      { numRuns: runs(60) },
    );
  });

  it('is refused when chunks change places', async () => {
    const swapped = join(folder, 'swapped.sferry');
    const name = Buffer.from('snapshot.db.gz.000001');
    const first = bytes.indexOf('snapshot.db.gz.000000');
    const second = bytes.indexOf(name);
    writeFileSync(swapped, Buffer.concat([bytes.subarray(second), bytes.subarray(first, second)]));
    await expect(read(swapped)).rejects.toMatchObject({ code: 'ARCHIVE_DAMAGED' });
  });
});
