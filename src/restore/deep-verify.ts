import type { Context } from '../core/context.js';
import { FerryError } from '../core/errors.js';
import { formatBytes } from '../core/units.js';
import { findEtcdBinaries, type EtcdBinaries } from '../etcd/throwaway/binaries.js';
import { createAuthority } from '../etcd/throwaway/certificates.js';
import { connect } from '../etcd/connect.js';
import { startThrowawayEtcd } from '../etcd/throwaway/throwaway.js';
import type { StoreContents } from '../at-rest/contents.js';
import { largeTempFolder } from '../snapshot/archive/spool.js';
import type { DeepCheck } from '../snapshot/verify/verify.js';
import { sameContent } from '../store/digest.js';
import type { StoreView } from '../store/view.js';
import { planLoad } from '../copy/load-plan.js';
import { applyLoad } from '../copy/load.js';
import { verifyCopy } from '../copy/verify-copy.js';

/** The largest that etcd recommends; what does not fit is no store of Sensu's. */
const quotaBytes = 8 * 1024 ** 3;
/** Beyond the value itself: the key, and the request around them. */
const requestOverhead = 512 * 1024;

/**
 * Restores a store with the newest etcd of this machine into a cluster that is thrown away, as `restore etcd`
 * does, reads it back, and compares keys, values and leases with what was read from the file. The etcd serves on
 * loopback, which all users of the machine share: it lets in nobody but this process.
 * @throws FerryError NO_ETCD_FOUND (`failed`); CONTENT_DIFFERS (`integrity`); or when the etcd does not start
 */
export const deepVerify: DeepCheck = async (context, view, contents, report) => {
  const binaries = await newestEtcd(context);
  const plan = await largestRequest(view);
  context.report.info(`Restoring ${formatBytes(contents.bytes)} into a throwaway etcd ${binaries.version}.`);
  const authority = await createAuthority('sensu-ferry verify');
  const server = await authority.issueServer(['127.0.0.1']);
  await using etcd = await startThrowawayEtcd({
    binaries,
    parent: largeTempFolder(context.env),
    tls: { ca: authority.ca, ...server, clientCertificates: true },
    quotaBytes,
    flags: [`--max-request-bytes=${plan}`],
  });
  const own = await authority.issueClient('sensu-ferry');
  const client = await connect({ endpoints: etcd.endpoints, tls: { ca: authority.ca, ...own } });
  try {
    return await restoreAndCompare(context, client, view, contents, report);
  } finally {
    await client.close();
  }
};

async function restoreAndCompare(
  context: Context,
  client: Awaited<ReturnType<typeof connect>>,
  view: StoreView,
  contents: StoreContents,
  report: (what: string) => void,
): Promise<Readonly<Record<string, number>>> {
  const keeper = client.keepLeases();
  try {
    const load = await planLoad(context, client, view);
    const { leases } = await applyLoad(context, client, view, load, keeper);
    const { source, target } = await verifyCopy(context, client, view, { leases, keys: load.source.keys });
    if (!sameContent(source, contents.digest) || !sameContent(target, contents.digest)) {
      report('The restored store has another digest than the file.');
    }
    return { keys: target.lastingKeys + target.ephemeralKeys, leases: leases.length };
  } finally {
    await keeper.close();
  }
}

/** Bytes that the largest entry needs a request to have, and never less than etcd's default. */
async function largestRequest(view: StoreView): Promise<number> {
  let largest = 1024 * 1024;
  for await (const batch of view.entries()) {
    for (const { key, value } of batch) largest = Math.max(largest, key.length + value.length);
  }
  return largest + requestOverhead;
}

async function newestEtcd({ env }: Context): Promise<EtcdBinaries> {
  const newest = (await findEtcdBinaries(env)).at(-1);
  if (newest !== undefined) return newest;
  throw new FerryError({
    kind: 'failed',
    code: 'NO_ETCD_FOUND',
    message: 'There is no etcd on this machine to restore into.',
    hint: 'Install etcd, or name the folder of etcd and etcdctl in ETCD_BIN_DIR; without --deep none is needed.',
  });
}
