import type { Members, Surveyed } from '../etcd/facets/cluster.js';
import type { WithAuth } from '../etcd/facets/auth.js';
import type { KvReader } from '../etcd/facets/kv.js';
import { formatCounted } from '../core/units.js';
import { isAtLeast } from '../etcd/version.js';
import { sensuRoot } from '../store/sensu-root.js';
import type { RbacFinding, RbacOptions } from './plan-types.js';
import { rootName } from './wanted.js';

/** What the operator should know of the cluster before users and grants are changed. */
export async function findingsOf(
  client: KvReader & Surveyed & Members & WithAuth,
  options: RbacOptions,
  authEnabled: boolean,
): Promise<readonly RbacFinding[]> {
  return [
    ...(options.profile !== 'least' ? await foreignKeys(client) : []),
    ...(options.profile === 'init' ? [await initFinding(client, options.enableAuth || authEnabled)] : []),
    ...(authEnabled ? await rootPassword(client, options) : []),
    ...(!authEnabled && !options.enableAuth ? [authOff] : []),
  ];
}

const authOff: RbacFinding = {
  severity: 'note',
  code: 'AUTH_IS_OFF',
  sentence: 'Auth is off in this etcd: users and grants are there, but nothing is enforced.',
  remedy: 'Turn it on with --enable-auth.',
};

async function foreignKeys(client: KvReader): Promise<readonly RbacFinding[]> {
  const count = await countKeys(client, { start: sensuRoot.end });
  if (count === 0n) return [];
  return [
    {
      severity: 'note',
      code: 'GRANT_COVERS_FOREIGN_KEYS',
      sentence: `${formatCounted(count, 'key of others sorts', 'keys of others sort')} after Sensu's: the documented grant lets Sensu read and write them.`,
      remedy: 'Use --profile least, which ends where the keys of Sensu end.',
    },
  ];
}

/**
 * Releases that may give the status of a member to root alone: since 3.5.28, and 3.6.0; 3.5.30 and 3.6.6 were seen to.
 * 3.5.35, 3.6.16 and 3.7.3 were seen to answer everybody who is logged in again.
 */
const refusesStatus = (version: string): boolean =>
  (isAtLeast(version, [3, 5, 28]) && !isAtLeast(version, [3, 5, 35])) ||
  (isAtLeast(version, [3, 6, 0]) && !isAtLeast(version, [3, 6, 16]));

async function initFinding(client: Surveyed & Members, authWillBeOn: boolean): Promise<RbacFinding> {
  const versions = authWillBeOn ? await releasesOf(client) : [];
  const refusing = versions.filter(refusesStatus);
  return refusing.length > 0
    ? {
        severity: 'warning',
        code: 'INIT_MAY_NEED_ROOT',
        sentence: `etcd ${refusing.join(', ')} may refuse a request of 'sensu-backend init' (Status) to every user without the role root, whatever the grants.`,
        remedy:
          "Run 'sensu-backend init' before auth is enabled, or as root. A migrated store needs no init. Go back to --profile documented or least afterwards.",
      }
    : {
        severity: 'note',
        code: 'INIT_GRANTS_ARE_PASSING',
        sentence: "The grants of the profile init are needed for 'sensu-backend init' alone.",
        remedy: 'Go back to --profile documented or least afterwards.',
      };
}

async function releasesOf(client: Surveyed & Members): Promise<readonly string[]> {
  const statuses = await Promise.allSettled(client.cluster.voters.map((endpoint) => client.status(endpoint)));
  return [
    ...new Set(statuses.flatMap((status) => (status.status === 'fulfilled' ? [status.value.version] : []))),
  ];
}

/** Root is not Sensu's user: with auth on its password is nobody's to change but the operator's. */
async function rootPassword(client: WithAuth, options: RbacOptions): Promise<readonly RbacFinding[]> {
  const password = options.passwords?.root;
  if (password === undefined || (await client.auth.authenticates({ username: rootName, password })))
    return [];
  return [
    {
      severity: 'warning',
      code: 'ROOT_PASSWORD_DIFFERS',
      sentence: `etcd refuses the password given for ${rootName}. Auth is on already, so it is left alone.`,
      remedy: `Correct the file, or change the password: etcdctl user passwd ${rootName}`,
    },
  ];
}

async function countKeys(client: KvReader, range: { start: Buffer; end?: Buffer }): Promise<bigint> {
  return (await client.range({ ...range, countOnly: true })).count;
}
