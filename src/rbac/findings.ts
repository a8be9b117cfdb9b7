import type { EtcdClient } from '../etcd/client.js';
import { formatCount } from '../core/units.js';
import { prefixRange, sensuRoot } from '../store/sensu-root.js';
import type { RbacFinding, RbacOptions } from './plan-types.js';
import { rootName } from './wanted.js';

/** What the operator should know of the cluster before users and grants are changed. */
export async function findingsOf(
  client: EtcdClient,
  options: RbacOptions,
  authEnabled: boolean,
): Promise<readonly RbacFinding[]> {
  const enabling = options.enableAuth && !authEnabled;
  return [
    ...(enabling ? [await enablingFinding(client)] : []),
    ...(options.profile !== 'least' ? await foreignKeys(client) : []),
    ...(options.profile === 'init' ? [initFinding(enabling || authEnabled)] : []),
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

/**
 * A backend that runs goes on without a user name after `auth enable` and fails, even when it was given one;
 * the client of an embedded etcd never has one. Running backends are seen by their leased keys.
 */
async function enablingFinding(client: EtcdClient): Promise<RbacFinding> {
  const seen = await countKeys(client, prefixRange(Buffer.from('/sensu.io/backends/')));
  const remedy =
    'Stop the backends first, or restart them right after with user name and password set. Never enable auth on a cluster that an embedded backend still serves.';
  return seen === 0n
    ? {
        severity: 'note',
        code: 'AUTH_BREAKS_RUNNING_BACKENDS',
        sentence:
          'A backend that uses this etcd while auth is enabled fails until it is restarted. None is seen.',
        remedy,
      }
    : {
        severity: 'warning',
        code: 'AUTH_BREAKS_RUNNING_BACKENDS',
        sentence: `${formatCount(seen)} ${seen === 1n ? 'backend uses' : 'backends use'} this etcd, or did a minute ago, and will fail from the moment auth is enabled.`,
        remedy,
      };
}

async function foreignKeys(client: EtcdClient): Promise<readonly RbacFinding[]> {
  const count = await countKeys(client, { start: sensuRoot.end });
  if (count === 0n) return [];
  return [
    {
      severity: 'note',
      code: 'GRANT_COVERS_FOREIGN_KEYS',
      sentence: `${formatCount(count)} keys of others sort after Sensu's: the documented grant lets Sensu read and write them.`,
      remedy: 'Use --profile least, which ends where the keys of Sensu end.',
    },
  ];
}

function initFinding(authWillBeOn: boolean): RbacFinding {
  return authWillBeOn
    ? {
        severity: 'warning',
        code: 'INIT_MAY_NEED_ROOT',
        sentence:
          "etcd 3.5.30, 3.6 and later refuse a request of 'sensu-backend init' (Status) to every user without the role root, whatever the grants.",
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

/** Root is not Sensu's user: with auth on its password is nobody's to change but the operator's. */
async function rootPassword(client: EtcdClient, options: RbacOptions): Promise<readonly RbacFinding[]> {
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

async function countKeys(client: EtcdClient, range: { start: Buffer; end?: Buffer }): Promise<bigint> {
  return (await client.range({ ...range, countOnly: true })).count;
}
