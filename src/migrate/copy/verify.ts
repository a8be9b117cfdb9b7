import { FerryError } from '../../core/errors.js';
import { openLiveView } from '../../etcd/live-view.js';
import { connectApi } from '../../sensu/api/connection.js';
import { openStore } from '../../snapshot/open/open.js';
import { digestView, sameContent, type ContentDigest } from '../../store/digest.js';
import type { Revision, StoreView } from '../../store/view.js';
import { apiAddress } from '../backend-answer.js';
import { carriedOf } from '../configuration.js';
import { factsOf } from '../engine/journal.js';
import { failed, notChecked, proven, refuseDisproven, type Proof } from '../proof.js';
import { proveServed } from '../served-store.js';
import type { Step, StepContext } from '../engine/strategy.js';
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
    const switchedAt = BigInt(factsOf(step.facts, 'difference').targetRevision);
    const wantedId = factsOf(step.facts, 'snapshot').sensuClusterId;
    const proofs = [...(await proveServed(step, wantedId, (switchedAt + 1n) as Revision))];
    const digest = await proveContent(step, proofs);
    refuseDisproven(proofs);
    return { proofs, digest };
  },
};

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
