import type { FileWindow } from '../../etcd-files/bbolt/file-window.js';
import { readMeta } from '../../etcd-files/bbolt/meta.js';
import { checkPages, type PageCheck } from '../../etcd-files/bbolt/page-check.js';
import type { Context } from '../../core/context.js';
import { inSteps } from './in-steps.js';
import type { LayerRecord } from './layers.js';

/** The pages of the bbolt file: see `checkPages`. */
export async function verifyPages(
  context: Context,
  file: FileWindow,
  layer: LayerRecord,
): Promise<PageCheck> {
  const { pageSize } = readMeta(file);
  const steps = checkPages(file, ({ page, what }) => {
    layer.find(what, { page, offset: page * pageSize });
  });
  const check = await inSteps(context, steps);
  const { pages, reached } = check;
  // The two meta pages are neither.
  layer.counts = { pages, reached, free: Math.max(0, pages - reached - 2) };
  return check;
}
