import type { Context } from '../core/context.js';
import { formatCount } from '../core/units.js';
import type { WithAuth } from '../etcd/facets/auth.js';
import type { Members, Surveyed } from '../etcd/facets/cluster.js';
import type { LeaseReader } from '../etcd/facets/leases.js';
import type { KvReader } from '../etcd/facets/kv.js';
import type { Credentials, TlsFiles } from '../etcd/connect-options.js';
import { commonNameOf } from '../etcd/client-certificate.js';
import { backendsAtWork } from './backends-at-work.js';
import { inspectLogin } from './inspect-login.js';
import { passwordLogin, type BackendLogin } from './login.js';
import type { RbacFinding, RbacOptions } from './plan-types.js';
import { rootName } from './wanted.js';

/** How the one connects who changes users and grants: perhaps, but not surely, as the backends do. */
export interface AdministratorConnection {
  readonly tls: TlsFiles;
  readonly credentials?: Credentials | undefined;
}

/** What the plan means for backends that run on this etcd, or are to. Takes up to half a minute. */
export async function findingsForBackends(
  context: Pick<Context, 'signal' | 'report'>,
  client: KvReader & LeaseReader & Surveyed & Members & WithAuth,
  options: RbacOptions,
  connection: AdministratorConnection,
): Promise<readonly RbacFinding[]> {
  const { login = passwordLogin, profile } = options;
  const isOn = await client.auth.enabled();
  const enabling = options.enableAuth && !isOn;
  const authWanted = isOn || options.enableAuth;
  return [
    ...(enabling ? [await enablingFinding(context, client, login)] : []),
    ...(await inspectLogin(client, { login, profile, authWanted, ...connection })).flatMap((finding) =>
      asOfAdministrator(finding, connection.tls),
    ),
  ];
}

/** The certificate here may be the administrator's own, so what would not work with it is no reason to refuse. */
function asOfAdministrator(finding: RbacFinding, tls: TlsFiles): readonly RbacFinding[] {
  if (finding.severity !== 'refusal') return [finding];
  const isOfCertificate =
    finding.code === 'CERTIFICATE_NAMES_ANOTHER_USER' || finding.code === 'LOGIN_WILL_FAIL';
  if (isOfCertificate && commonNameOf(tls) === rootName) return [];
  return [{ ...finding, severity: 'warning' }];
}

/**
 * A backend that runs goes on without a user name after `auth enable` and fails, even when it was given one; the
 * client of an embedded etcd never has one. One whose certificate names its user notices nothing.
 */
async function enablingFinding(
  context: Pick<Context, 'signal' | 'report'>,
  client: KvReader & LeaseReader,
  { form, user }: BackendLogin,
): Promise<RbacFinding> {
  const seen = (await backendsAtWork(context, client)).length;
  const except =
    form === 'certificate' ? `, unless it connects with a client certificate whose CN is ${user}` : '';
  return {
    severity: seen === 0 ? 'note' : 'warning',
    code: 'AUTH_BREAKS_RUNNING_BACKENDS',
    sentence:
      seen === 0
        ? `A backend that uses this etcd while auth is enabled fails until it is restarted${except}. None is seen.`
        : `${formatCount(seen)} ${seen === 1 ? 'backend uses' : 'backends use'} this etcd. Each fails from the moment auth is enabled until it is restarted${except}.`,
    remedy:
      form === 'certificate'
        ? 'Give the backends their certificates first (etcd-cert-file and etcd-key-file), or stop them. Never enable auth on a cluster that an embedded backend still serves.'
        : 'Stop the backends first, or restart them right after with user name and password set. Never enable auth on a cluster that an embedded backend still serves.',
  };
}
