import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Encryption } from '../../../src/age/encryption.js';
import { openSnapshot } from '../../../src/etcd-files/mvcc/store-file.js';
import { ArchiveWriter } from '../../../src/snapshot/archive/archive-writer.js';
import { chunkSize } from '../../../src/core/chunks.js';
import { readContents } from '../../../src/at-rest/contents.js';
import type { Manifest } from '../../../src/snapshot/archive/manifest.js';
import { asView } from '../../../src/at-rest/store-view.js';
import { silentContext } from '../../support/silent-context.js';

export const recordings = ['single-6.7.5', 'cluster3-6.12.0', 'kitchen-sink-6.12.0'] as const;

export function recordedPath(name: string): string {
  return new URL(`../../../fixtures/${name}/snapshot.db`, import.meta.url).pathname;
}

export const trailerLength = 32;

/** The bytes with their own sha256 at the end, so that what is wrong with them is left to other layers. */
export function withTrailer(bbolt: Buffer): Buffer {
  return Buffer.concat([bbolt, createHash('sha256').update(bbolt).digest()]);
}

/** An archive of a snapshot as `snapshot save` makes it; `change` may make its manifest say something else. */
export async function archiveOf(
  path: string,
  change: (manifest: Manifest) => Manifest = (manifest) => manifest,
  encryption?: Encryption,
): Promise<Buffer> {
  const plain = readFileSync(path);
  const parts: Buffer[] = [];
  const createdAt = new Date('2026-11-23T02:15:00.000Z');
  const sink = { write: (bytes: Buffer) => Promise.resolve(void parts.push(bytes)) };
  const archive = new ArchiveWriter(sink, createdAt, encryption);
  for (let at = 0; at < plain.length; at += chunkSize) await archive.add(plain.subarray(at, at + chunkSize));
  const stored = await archive.finishSnapshot();
  await archive.finish(change(await manifestOf(path, plain, stored, createdAt)));
  return Buffer.concat(parts);
}

async function manifestOf(
  path: string,
  plain: Buffer,
  stored: Manifest['stored'],
  createdAt: Date,
): Promise<Manifest> {
  const view = asView(openSnapshot(path));
  try {
    const contents = await readContents(view, silentContext());
    const { keys, bytes, leases, prefixes, digest, sensuClusterId, databaseVersion } = contents;
    return {
      format: 'sensu-ferry',
      version: 1,
      createdAt: createdAt.toISOString(),
      tool: 'sensu-ferry 0.1.0',
      etcd: {
        ...{ version: '3.5.16', clusterId: 'ab', memberId: 'cd', memberName: 'default' },
        revision: String(view.revision),
      },
      sensu: { clusterId: sensuClusterId ?? null, databaseVersion: databaseVersion ?? null },
      content: { keys, bytes, leases, prefixes: [...prefixes], digest },
      plain: { size: plain.length, sha256: createHash('sha256').update(plain).digest('hex') },
      stored,
      notIncluded: [],
    };
  } finally {
    view.close();
  }
}
