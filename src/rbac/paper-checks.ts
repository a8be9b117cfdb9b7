import type { WithAuth } from '../etcd/facets/auth.js';
import { judge, type RbacCheck } from './checks.js';
import { grantWords, nameWord } from './etcdctl-words.js';
import type { BackendLogin } from './login.js';
import { holds } from './ranges.js';
import { sensuRole, wantedGrants, type Profile } from './wanted.js';

/** Whether the role would let a backend in, once auth is on. */
export async function checkOnPaper(
  client: WithAuth,
  { user }: BackendLogin,
  profile: Profile,
): Promise<readonly RbacCheck[]> {
  const held = (await client.auth.rolePermissions(sensuRole)) ?? [];
  const roles = (await client.auth.userRoles(user)) ?? [];
  const hasRole = judge(
    user,
    {
      what: `have the role ${sensuRole}`,
      expected: 'allowed',
      remedy: `etcdctl user grant-role ${nameWord(user)} ${sensuRole}`,
    },
    roles.includes(sensuRole) ? 'allowed' : 'refused',
  );
  const grants = wantedGrants(profile).map((grant) =>
    judge(
      user,
      { what: grantWords(grant), expected: 'allowed', grant },
      holds(held, grant) ? 'allowed' : 'refused',
    ),
  );
  return [hasRole, ...grants];
}
