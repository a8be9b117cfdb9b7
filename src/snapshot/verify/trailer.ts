import { FileWindow } from '../../bolt/file-window.js';
import { readMetaAt } from '../../bolt/meta.js';
import { openSource, type FileSource } from '../../bolt/store-file.js';
import { checkTrailer } from '../../bolt/trailer.js';
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
 * Where the sha256 of a snapshot has been, if only that was cut off. A snapshot is a copy that ends with its last
 * page and has one meta page twice; the file of a running etcd has two of different transactions, and room to grow.
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
    return copied && file.size === first.highWaterMark * first.pageSize ? file.size : undefined;
  } finally {
    opened.close();
  }
}
