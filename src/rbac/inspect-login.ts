import type { WithAuth } from '../etcd/facets/auth.js';
import type { Members, Surveyed } from '../etcd/facets/cluster.js';
import type { Credentials, TlsFiles } from '../etcd/connect-options.js';
import { certificateDemandOf, commonNameOf } from '../etcd/client-certificate.js';
import { readServerVersion, readTokenFlag } from '../etcd/transport/server-http.js';
import { certificateRemedy, type BackendLogin } from './login.js';
import { loginRisks, type LoginSituation } from './login-risks.js';
import type { RbacFinding } from './plan-types.js';
import { holds } from './ranges.js';
import { wantedGrants, type Profile } from './wanted.js';

/** A login as backends will make it. */
export interface LoginToInspect {
  readonly login: BackendLogin;
  readonly profile: Profile;
  /** Whether auth is on, or is to be: without it there are no tokens that could go wrong. */
  readonly authWanted: boolean;
  /** With the client certificate that backends will use. */
  readonly tls: TlsFiles;
  /** Of any user, to see what tokens are given while auth is on. */
  readonly credentials?: Credentials | undefined;
  readonly sensuVersion?: string | undefined;
  /** Whether the CN of the certificate is a user with the grants, where that was tried; else users and roles are read. */
  readonly certificateNameServes?: boolean;
}

/**
 * What a backend will meet with this login, seen from its cluster and its certificate. The client must be able to read
 * users and roles. Changes nothing.
 */
export async function inspectLogin(
  client: Surveyed & Members & WithAuth,
  inspected: LoginToInspect,
): Promise<readonly RbacFinding[]> {
  switch (inspected.login.form) {
    case 'certificate':
      return certificateFaults(client, inspected);
    case 'password':
      return inspected.authWanted ? passwordRisks(client, inspected) : [];
    case 'none':
      return (await client.auth.enabled()) ? [authIsOn] : [];
  }
}

const authIsOn: RbacFinding = {
  severity: 'refusal',
  code: 'AUTH_NEEDS_LOGIN',
  sentence: 'Auth is on in this etcd: a backend that does not log in is refused everything.',
  remedy: 'Use --auth certificate, or --auth password with --sensu-password-file FILE.',
};

async function certificateFaults(
  client: Surveyed,
  { login, tls }: LoginToInspect,
): Promise<readonly RbacFinding[]> {
  const name = commonNameOf(tls);
  return [
    ...(name === login.user ? [] : [otherName(name, login.user)]),
    ...(await membersWithoutDemand(client.cluster.voters, tls)),
  ];
}

function otherName(name: string | undefined, user: string): RbacFinding {
  return {
    severity: 'refusal',
    code: 'CERTIFICATE_NAMES_ANOTHER_USER',
    sentence:
      name === undefined
        ? `There is no client certificate with a CN, and etcd takes the CN for the user: backends cannot log in as ${user}.`
        : `The CN of the client certificate is ${name}: etcd takes a backend that uses it for the user ${name}, not for ${user}.`,
    remedy: certificateRemedy(name, user),
  };
}

/** Such a member has no `--client-cert-auth`, and looks at no CN. */
async function membersWithoutDemand(
  endpoints: readonly string[],
  tls: TlsFiles,
): Promise<readonly RbacFinding[]> {
  const demands = await Promise.all(endpoints.map((endpoint) => certificateDemandOf(endpoint, tls)));
  const without = endpoints.filter((_endpoint, index) => demands[index] === 'not-required');
  if (without.length === 0) return [];
  return [
    {
      severity: 'refusal',
      code: 'CERTIFICATES_NOT_DEMANDED',
      sentence: `${without.join(', ')} ${without.length === 1 ? 'lets' : 'let'} connections in without a client certificate, so the CN of one is not a login there.`,
      remedy: 'Start every member with --client-cert-auth --trusted-ca-file FILE, or use --auth password.',
    },
  ];
}

async function passwordRisks(
  client: Surveyed & Members & WithAuth,
  inspected: LoginToInspect,
): Promise<readonly RbacFinding[]> {
  const { login, tls, sensuVersion } = inspected;
  const certificateName = commonNameOf(tls);
  return loginRisks({
    login,
    certificateName,
    certificateNameServes:
      inspected.certificateNameServes ??
      (certificateName !== undefined && (await willServe(client, certificateName, inspected))),
    token: await tokenOf(client, inspected),
    members: (await client.members()).length,
    etcdVersions: await versionsOf(client.cluster.voters, tls),
    sensuVersion,
  });
}

async function willServe(
  client: WithAuth,
  name: string,
  { login, profile }: LoginToInspect,
): Promise<boolean> {
  if (name === login.user) return true;
  const roles = (await client.auth.userRoles(name)) ?? [];
  if (roles.includes('root')) return true;
  const held = await Promise.all(roles.map((role) => client.auth.rolePermissions(role)));
  const permissions = held.flatMap((permission) => permission ?? []);
  return wantedGrants(profile).every((grant) => holds(permissions, grant));
}

/** Simple tokens of one member are enough to go wrong. */
async function tokenOf(
  client: Surveyed & WithAuth,
  { credentials, tls }: LoginToInspect,
): Promise<LoginSituation['token']> {
  const given = (await client.auth.enabled()) && credentials ? await client.auth.tokenKinds(credentials) : [];
  const told = await Promise.all(client.cluster.voters.map((endpoint) => readTokenFlag(endpoint, tls)));
  const kinds = new Set(given);
  if (kinds.size > 0) return kinds.has('simple') ? 'simple' : kinds.has('unknown') ? 'unknown' : 'jwt';
  if (told.includes('simple')) return 'simple';
  return told.every((kind) => kind === 'jwt') ? 'jwt' : 'assumed-simple';
}

/** Of the members that can be reached. */
async function versionsOf(endpoints: readonly string[], tls: TlsFiles): Promise<readonly string[]> {
  const versions = await Promise.all(endpoints.map((endpoint) => readServerVersion(endpoint, tls)));
  return [...new Set(versions.filter((version) => version !== undefined))];
}
