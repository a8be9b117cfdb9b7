import { CorruptFileError } from '../../etcd-files/corrupt.js';
import { FileWindow } from '../../etcd-files/bbolt/file-window.js';
import { readMetaAt } from '../../etcd-files/bbolt/meta.js';
import { openSnapshot, openSource, type FileSource } from '../../etcd-files/mvcc/store-file.js';
import { checkTrailer } from '../../etcd-files/bbolt/trailer.js';
import type { LayerRecord } from './layers.js';

/** The sha256 that etcd puts at the end of a snapshot; a bare `db` file has none. */
export async function verifyTrailer(plain: FileSource, layer: LayerRecord): Promise<void> {
  const check = await layer.look(() => checkTrailer(plain));
  if (check?.trailer !== 'absent') return;
  const cut = placeOfLostTrailer(plain);
  if (cut !== undefined) {
    layer.find('lacks the sha256 behind its last page: the end of a snapshot was cut off', { offset: cut });
    return;
  }
  layer.absent();
  layer.notes.push(
    'This is a bare db file without a sha256: damage to values and to unused space cannot be seen.',
  );
}

/**
 * Where the sha256 of a snapshot has been, if only that was cut off. A snapshot is a copy that ends with its last page, and
 * has one meta page twice, the second with the transaction before. The file of an etcd that ran has room to grow behind its
 * last page. One that was made of a snapshot has not, until it grows; closed cleanly, its last transaction changed nothing,
 * and half of the time its two meta pages lie as in a snapshot.
 */
function placeOfLostTrailer(plain: FileSource): number | undefined {
  const opened = openSource(plain);
  try {
    const file = new FileWindow(opened.fd, opened.path);
    const first = readMetaAt(file, 0);
    if (typeof first === 'string') return undefined;
    const second = readMetaAt(file, first.pageSize);
    if (typeof second === 'string') return undefined;
    const copied =
      first.root === second.root &&
      first.highWaterMark === second.highWaterMark &&
      first.txid === second.txid + 1n;
    if (!copied || file.size !== first.highWaterMark * first.pageSize) return undefined;
    // bbolt itself puts the meta of an even transaction first.
    const isSurelyCopied = first.txid % 2n === 1n;
    return isSurelyCopied || !isOfRestoredCluster(plain) ? file.size : undefined;
  } finally {
    opened.close();
  }
}

/** Each revision takes an entry of the log. A restore keeps the revisions, and begins the log again. */
function isOfRestoredCluster(plain: FileSource): boolean {
  try {
    const store = openSnapshot(plain);
    const { revision, consistentIndex = 0n } = store;
    store.close();
    return consistentIndex + 1n < revision;
  } catch (error) {
    // What is damaged is told by the layers to come.
    if (error instanceof CorruptFileError) return false;
    throw error;
  }
}
