import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { ArchiveWriter } from '../../src/snapshot/archive/archive-writer.js';
import type { Manifest } from '../../src/snapshot/archive/manifest.js';

/** A folder that goes with the test. */
export function snapshotFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sensu-ferry-stored-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

export interface ArchiveFacts {
  readonly createdAt: Date;
  readonly revision?: bigint;
  readonly name?: string;
  /** Of store in it. */
  readonly size?: number;
}

/** Writes an archive of some bytes, and returns its name. */
export async function writeStoredArchive(folder: string, facts: ArchiveFacts): Promise<string> {
  const { createdAt, revision = 884n, size = 5000 } = facts;
  const name = facts.name ?? `sensu-9080c059-${compact(createdAt)}-r${revision}.sferry`;
  const plain = randomBytes(size);
  const parts: Buffer[] = [];
  const sink = { write: (bytes: Buffer) => Promise.resolve(void parts.push(bytes)) };
  const archive = new ArchiveWriter(sink, createdAt);
  await archive.add(plain);
  const stored = await archive.finishSnapshot();
  await archive.finish(manifestOf(createdAt, revision, plain, stored));
  writeFileSync(join(folder, name), Buffer.concat(parts));
  return name;
}

/** The same of a plain snapshot with a trailer. */
export function writeStoredPlain(folder: string, { createdAt, revision = 884n }: ArchiveFacts): string {
  const name = `sensu-9080c059-${compact(createdAt)}-r${revision}.db`;
  writeFileSync(join(folder, name), randomBytes(8192 + 32));
  return name;
}

export const compact = (time: Date): string => time.toISOString().replace(/[-:]|\.\d+/g, '');

function manifestOf(createdAt: Date, revision: bigint, plain: Buffer, stored: Manifest['stored']): Manifest {
  const hash = 'a'.repeat(64);
  return {
    format: 'sensu-ferry',
    version: 1,
    createdAt: createdAt.toISOString(),
    tool: 'sensu-ferry 0.1.0',
    etcd: {
      ...{ version: '3.5.16', clusterId: 'ab', memberId: 'cd', memberName: 'default' },
      revision: String(revision),
    },
    sensu: { clusterId: null, databaseVersion: '2' },
    content: {
      ...{ keys: 12, bytes: 1, leases: 0 },
      prefixes: Array.from({ length: 40 }, (_, index) => ({
        ...{ prefix: `/sensu.io/kind-${index}/`, keys: 1, bytes: 1, leasedKeys: 0 },
      })),
      digest: { lasting: hash, lastingKeys: 1, ephemeral: hash, ephemeralKeys: 0, bytes: 1 },
    },
    plain: { size: plain.length, sha256: createHash('sha256').update(plain).digest('hex') },
    stored,
    notIncluded: [],
  };
}
