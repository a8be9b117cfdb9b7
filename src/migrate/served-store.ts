import { FerryError } from '../core/errors.js';
import { formatId } from '../core/units.js';
import type { Member, Members } from '../etcd/facets/cluster.js';
import { readServerHttpFacts } from '../etcd/transport/server-http.js';
import { explainHealth, type ApiClient } from '../sensu/api/client.js';
import { backendsPrefix, prefixRange } from '../store/sensu-root.js';
import type { Revision } from '../store/view.js';
import { apiOf } from './backend-answer.js';
import { compactionFlags } from './preflight/compaction.js';
import { doubtful, failed, notChecked, proven, type Proof } from './proof.js';
import { connectSource } from './source.js';
import type { StepContext } from './engine/strategy.js';

type Served = Pick<StepContext, 'context' | 'settings' | 'secrets' | 'source' | 'resources'>;

/**
 * What can be asked at any time after the start: that the embedded store is gone, and that the backend serves the
 * carried one from the target.
 * @param wantedId Sensu's own id of the carried store.
 * @param since The first revision that can be the backend's.
 */
export async function proveServed(
  served: Served,
  wantedId: string | null,
  since: Revision,
): Promise<readonly Proof[]> {
  const api = apiOf(served.settings, served.source, served.secrets);
  return [
    await embeddedIsGone(served),
    await targetIsUsed(served, since),
    await membersAnswer(served),
    await clusterId(served, api, wantedId),
    await version(api),
    await health(api),
    await compaction(served),
  ];
}

/** A backend whose `no-embed-etcd` is overruled somewhere starts its old store again, and all seems well. */
async function embeddedIsGone({ context, source }: Served): Promise<Proof> {
  const what = 'embedded etcd is gone';
  try {
    const client = await connectSource(context, source);
    await client.close();
    return failed(what, `${source.endpoints.join(', ')} still answers`);
  } catch (error) {
    context.signal.throwIfAborted();
    return error instanceof FerryError && error.kind === 'unreachable'
      ? proven(what, `${source.endpoints.join(', ')} refuses connections`)
      : failed(what, `${source.endpoints.join(', ')} answers: ${messageOf(error)}`);
  }
}

/** Each backend keeps a leased key with its own id, made anew at its start. */
async function targetIsUsed({ resources }: Served, since: Revision): Promise<Proof> {
  const what = 'backend uses the target';
  const target = await resources.target();
  const { entries } = await target.range({ ...prefixRange(backendsPrefix), minModRevision: since });
  return entries.length > 0
    ? proven(what, 'it has registered itself there')
    : notChecked(what, 'no key of it is there yet');
}

/** The backend goes on with the others, and nobody would notice until the next one dies. */
async function membersAnswer({ resources }: Served): Promise<Proof> {
  const what = 'members of the target';
  const target = await resources.target();
  const members = await target.members();
  // At what they advertise, or at what was named: an address behind a proxy need not be the one that they know.
  const urls = new Set([...target.endpoints, ...members.flatMap(({ clientUrls }) => clientUrls)]);
  const answered = new Set(await Promise.all([...urls].map((url) => memberAt(target, url))));
  const away = members.filter(({ id }) => !answered.has(id)).map(nameOf);
  return away.length === 0
    ? proven(what, `${members.length} of ${members.length} answer`)
    : doubtful(
        what,
        `no answer of ${away.join(', ')}, out of ${members.length}: bring it back, or replace it`,
      );
}

async function memberAt(target: Members, url: string): Promise<bigint | undefined> {
  try {
    return (await target.status(url)).memberId;
  } catch {
    return undefined;
  }
}

const nameOf = ({ name, id }: Member): string => name || formatId(id);

async function clusterId({ secrets }: Served, api: ApiClient, wanted: string | null): Promise<Proof> {
  const what = 'cluster id and a login with an API key';
  if (secrets.apiKey === undefined) return notChecked(what, 'needs --api-key-file');
  try {
    const found = await api.clusterId();
    return found === wanted ? proven(what, found) : failed(what, `${found} instead of ${wanted ?? 'none'}`);
  } catch (error) {
    return failed(what, messageOf(error));
  }
}

async function version(api: ApiClient): Promise<Proof> {
  try {
    const { sensuBackend, etcdCluster } = await api.version();
    const etcd = etcdCluster === '' ? untoldVersion : `etcd ${etcdCluster}`;
    return proven('version', `sensu-backend ${sensuBackend} on ${etcd}`);
  } catch (error) {
    return failed('version', messageOf(error));
  }
}

/** Since 3.5.30 etcd refuses its status to a user without root. */
const untoldVersion =
  'an etcd that tells its version to root alone: each start logs "error getting etcd cluster version info" with "permission denied", which is harmless';

/** Says what /health shows and why it does not count: under password auth it is wrong by design. */
async function health(api: ApiClient): Promise<Proof> {
  try {
    return notChecked('/health', explainHealth(await api.health()));
  } catch (error) {
    return notChecked('/health', messageOf(error));
  }
}

/** Without it the store grows with every write until its quota ends all of them. */
async function compaction({ resources, secrets }: Served): Promise<Proof> {
  const what = 'compaction of the target';
  const { endpoints } = await resources.target();
  const facts = await Promise.all(endpoints.map((url) => readServerHttpFacts(url, secrets.targetTls)));
  return facts.some((each) => each?.hasCompacted)
    ? proven(what, 'it has compacted its history')
    : notChecked(what, notCompacted);
}

export const notCompacted = `nothing was compacted yet: see that its members run with ${compactionFlags}`;

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
