import { BboltFile } from '../../etcd-files/bbolt/bbolt.js';
import type { FileWindow } from '../../etcd-files/bbolt/file-window.js';
import { checkMvcc } from '../../etcd-files/mvcc/mvcc-check.js';
import type { PageCheck } from '../../etcd-files/bbolt/page-check.js';
import { readStoreMetadata } from '../../etcd-files/mvcc/store-metadata.js';
import type { Lease } from '../../store/types.js';
import type { Context } from '../../core/context.js';
import { formatId } from '../../core/units.js';
import type { LayerRecord } from './layers.js';
import { inSteps } from './in-steps.js';

/** etcd's own records: every bucket but `key` can be decoded, and the history of each key: see `checkMvcc`. */
export async function verifyMvcc(
  context: Context,
  file: FileWindow,
  { elements }: PageCheck,
  layer: LayerRecord,
): Promise<readonly Lease[]> {
  const db = new BboltFile(file);
  const { compactedRevision, leases } = readStoreMetadata(db);
  for (const { id, ttl } of leases) {
    if (ttl <= 0n) layer.find(`lease ${formatId(id)} is granted for ${ttl} s`);
  }
  const steps = checkMvcc(
    db,
    db.bucket('key')!.root,
    compactedRevision,
    elements.get('key') ?? 0,
    ({ revision, what }) => {
      layer.find(what, { revision });
    },
  );
  const { records, liveKeys } = await inSteps(context, steps);
  layer.counts = { revisions: records, liveKeys, leases: leases.length };
  return leases;
}
