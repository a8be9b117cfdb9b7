import { connectSource } from '../source.js';
import { saveArchive } from '../../snapshot/save/save-archive.js';
import { planSave } from '../../snapshot/save/save-plan.js';
import { apiKeyHint } from '../../sensu/keys/values.js';
import { DirectoryStorage } from '../../storage/directory.js';
import type { Step } from '../engine/strategy.js';

/** A safety net, and what the load reads from: the backend is not asked for its store twice. */
export const snapshotStep: Step<'snapshot'> = {
  id: 'snapshot',
  title: 'Take a safety snapshot of the embedded store',
  changes: 'writes an archive into the run directory',
  downtime: false,
  async run({ context, source, runDirectory, tool }) {
    const destination = new DirectoryStorage(runDirectory);
    // Of a run that was killed; the run directory is locked, so nobody else writes there.
    await destination.removeUnfinished(context.clock.now(), context.signal);
    const client = await connectSource(context, source);
    try {
      const plan = await planSave(client, { destination, tool });
      const saved = await saveArchive(context, plan);
      const { contents } = saved;
      return {
        archive: saved.path,
        revision: String(saved.revision),
        keys: contents.keys,
        bytes: contents.bytes,
        digest: contents.digest,
        sensuClusterId: contents.sensuClusterId ?? null,
        prefixes: contents.prefixes,
        users: contents.users.map(({ username }) => username),
        apiKeys: contents.apiKeys.map(({ name, owner }) => ({ owner, hint: apiKeyHint(name) })),
      };
    } finally {
      await client.close();
    }
  },
};
