import type { Context } from '../../core/context.js';
import { sensuRoot } from '../../store/sensu-root.js';
import type { StoreView } from '../../store/view.js';
import { diffStores, type StoreDiff } from '../diff/diff.js';
import { openStore, type StoreAccess } from '../open/open.js';

/** How many keys of each sort are named. */
const listed = 100;

/**
 * How a live store, as it is at one revision, differs from a snapshot. Only Sensu's own keys are asked for: a user
 * who may read those and no others can compare.
 * @throws FerryError as `openStore`, STORE_COMPACTED when etcd has dropped the revision meanwhile
 */
export async function compareWithLive(
  context: Context,
  path: string,
  live: StoreView,
  { access, configOnly }: { readonly access?: StoreAccess; readonly configOnly: boolean },
): Promise<StoreDiff> {
  const store = await openStore(path, context, access);
  try {
    return await diffStores(context, store, live, { limit: listed, range: sensuRoot, configOnly });
  } finally {
    store.close();
  }
}
