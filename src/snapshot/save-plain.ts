import type { Context } from '../core/context.js';
import type { EtcdClient } from '../etcd/client.js';
import { readClusterId } from './cluster-id.js';
import { inSnapshot, receive, saveWhole } from './receive.js';
import { fileName, type SavedSnapshot, type SavePlan } from './save-plan.js';

/** Streams the snapshot of the chosen member into a plain `.db` that etcdutl reads. */
export function savePlain(context: Context, client: EtcdClient, plan: SavePlan): Promise<SavedSnapshot> {
  return saveWhole(context, plan, async (part) => {
    const sensuClusterId = await readClusterId(client);
    const stream = await receive(context, client, plan, (chunk) => part.write(chunk));
    const revision = await inSnapshot(part.fd, plan, (file) => Promise.resolve(file.revision));
    const name = `${fileName(plan, { revision, sensuClusterId }, context.clock.now())}.db`;
    return { ...stream, name, revision, storedSize: part.size };
  });
}
