import { FerryError } from '../../core/errors.js';
import { openLiveView } from '../../etcd/live-view.js';
import { explainHealth, type ApiClient } from '../../sensu/api/client.js';
import { connectApi } from '../../sensu/api/connection.js';
import { openStore } from '../../snapshot/open.js';
import { digestView, sameContent, type ContentDigest } from '../../store/digest.js';
import { prefixRange } from '../../store/sensu-root.js';
import type { Revision, StoreView } from '../../store/view.js';
import { apiAddress, apiOf } from '../backend-answer.js';
import { carriedOf } from '../configuration.js';
import { factsOf } from '../journal.js';
import { failed, notChecked, proven, type Proof } from '../proof.js';
import { connectSource } from '../source.js';
import type { Step, StepContext } from '../strategy.js';
import { shownConfiguration, shownProof } from './shown-configuration.js';

/** Looks from outside whether the backend really serves the store that was carried. */
export const verifyStep: Step<'verify'> = {
  id: 'verify',
  title: 'Verify: content digest, cluster id, a login, and that the embedded etcd is gone',
  changes: 'nothing',
  downtime: false,
  async run(step) {
    await step.resources.releaseLeases();
    step.resources.releaseSnapshot();
    const api = apiOf(step.settings, step.source, step.secrets);
    const proofs = [
      await embeddedIsGone(step),
      await targetIsUsed(step),
      await clusterId(step, api),
      await version(api),
      await health(api),
    ];
    const digest = await proveContent(step, proofs);
    const failures = proofs.filter(({ outcome }) => outcome === 'failed');
    if (failures.length > 0) throw notVerified(failures);
    return { proofs, digest };
  },
};

/** A backend whose `no-embed-etcd` is overruled somewhere starts its old store again, and all seems well. */
async function embeddedIsGone({ context, source }: StepContext): Promise<Proof> {
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
async function targetIsUsed({ facts, resources }: StepContext): Promise<Proof> {
  const what = 'backend uses the target';
  const target = await resources.target();
  const since = BigInt(factsOf(facts, 'difference').targetRevision) + 1n;
  const { entries } = await target.range({
    ...prefixRange(Buffer.from('/sensu.io/backends/')),
    minModRevision: since as Revision,
  });
  return entries.length > 0
    ? proven(what, 'it has registered itself there')
    : notChecked(what, 'no key of it is there yet');
}

async function clusterId({ facts, secrets }: StepContext, api: ApiClient): Promise<Proof> {
  const what = 'cluster id and a login with an API key';
  const wanted = factsOf(facts, 'snapshot').sensuClusterId;
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
    // Since 3.5.30 etcd refuses its status to a user without root, and Sensu then knows no version.
    const etcd = etcdCluster === '' ? 'an etcd that does not tell it its version' : `etcd ${etcdCluster}`;
    return proven('version', `sensu-backend ${sensuBackend} on ${etcd}`);
  } catch (error) {
    return failed('version', messageOf(error));
  }
}

/** Says what /health shows and why it does not count: under password auth it is wrong by design. */
async function health(api: ApiClient): Promise<Proof> {
  try {
    return notChecked('/health', explainHealth(await api.health()));
  } catch (error) {
    return notChecked('/health', messageOf(error));
  }
}

/** What takes the stopped store, which is opened and replayed once. */
async function proveContent(step: StepContext, proofs: Proof[]): Promise<ContentDigest | null> {
  const { context, settings, source } = step;
  const opened = await openStore(source.dataDirectory, context);
  const stopped = carriedOf(settings, opened);
  try {
    const [content, digest] = await contentDigest(step, stopped);
    proofs.push(content);
    if (settings.configOnly) proofs.push(await configuration(step, stopped));
    return digest;
  } finally {
    opened.close();
  }
}

/**
 * The whole target at the revision of the switch against the whole stopped store. The backend has written
 * since, so the target's leases cannot be asked for any more: their TTLs were compared when they were granted.
 */
async function contentDigest(step: StepContext, stopped: StoreView): Promise<[Proof, ContentDigest | null]> {
  const { facts, resources } = step;
  const what = 'content digest of the target at the switch';
  const revision = BigInt(factsOf(facts, 'difference').targetRevision) as Revision;
  try {
    const live = await openLiveView(await resources.target(), revision);
    const [wanted, found] = await Promise.all([
      digestView(stopped),
      digestView({ ...live, leases: () => stopped.leases() }),
    ]);
    return sameContent(wanted, found)
      ? [proven(what, `equal to the stopped store (${found.lasting.slice(0, 16)}…)`), found]
      : [failed(what, 'differs from the stopped store'), null];
  } catch (error) {
    if (!(error instanceof FerryError) || error.code !== 'STORE_COMPACTED') throw error;
    return [
      notChecked(what, 'the target has compacted that revision; the changed keys were read back'),
      null,
    ];
  }
}

/** What the digest cannot show: that the backend finds its way to each resource. */
async function configuration(
  { context, settings, source, secrets }: StepContext,
  stopped: StoreView,
): Promise<Proof> {
  if (secrets.apiKey === undefined) return notChecked(shownProof, 'needs --api-key-file');
  const login = { apiKey: secrets.apiKey };
  const api = connectApi({ ...apiAddress(settings, source), login, signal: context.signal });
  return shownConfiguration(context, api, stopped);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function notVerified(failures: readonly Proof[]): FerryError {
  return new FerryError({
    kind: 'integrity',
    code: 'MIGRATION_UNVERIFIED',
    message: failures.map(({ what, found }) => `${what}: ${found}`).join('; '),
    hint: '',
  });
}
