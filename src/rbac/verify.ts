import { openBackendCalls } from '../etcd/transport/backend-calls.js';
import type { WithAuth } from '../etcd/facets/auth.js';
import type { KvReader } from '../etcd/facets/kv.js';
import type { EtcdClient } from '../etcd/client.js';
import type { ConnectOptions } from '../etcd/connect-options.js';
import type { PassedOver } from '../etcd/facets/cluster.js';
import { commonNameOf } from '../etcd/client-certificate.js';
import { connect } from '../etcd/connect.js';
import { backendAccesses, forbiddenAccesses } from './backend-accesses.js';
import { tryAccesses, type RbacCheck } from './checks.js';
import { inspectLogin } from './inspect-login.js';
import { passwordLogin, type BackendLogin } from './login.js';
import { checkCertificateDemand, checkLogin, checkWithoutName } from './login-checks.js';
import { mergeMembers, type MemberChecks } from './member-checks.js';
import { checkOnPaper } from './paper-checks.js';
import type { RbacFinding } from './plan-types.js';
import type { Profile } from './wanted.js';

export interface VerifyOptions {
  readonly profile: Profile;
  /** Default: as `sensu`, by password. */
  readonly login?: BackendLogin;
  /** For a login by password. */
  readonly sensuPassword?: string | undefined;
  /** Undefined when nobody can say. */
  readonly sensuVersion?: string | undefined;
}

export interface RbacVerification {
  readonly login: BackendLogin;
  /** Whether auth is on. While it is off, etcd allows everything to everybody and the checks are made on paper. */
  readonly enforced: boolean;
  /** True when every check is ok, of every endpoint, auth is on (or not to be), and nothing is known to go wrong. */
  readonly ok: boolean;
  /** One of each member that answers; each was asked everything. */
  readonly endpoints: readonly string[];
  /** Endpoints that did not, and those of learners. */
  readonly unasked: readonly PassedOver[];
  readonly checks: readonly RbacCheck[];
  /** What will happen to a backend that logs in like this, where that is known. */
  readonly findings: readonly RbacFinding[];
}

/** The login to prove, and the connection of a backend with it: endpoints and TLS files, no credentials. */
interface Proof {
  readonly target: ConnectOptions;
  readonly login: BackendLogin;
  readonly options: VerifyOptions;
}

/**
 * Proves from outside that the user of the backends can do what a backend does and no more, by doing it at each
 * endpoint. Leaves no key behind. The credentials of `target` are not used; its client certificate is the one that
 * backends use.
 *
 * @throws FerryError as `connect`, `unreachable` and the like; a refusal is a check, not an error.
 */
export async function verifyRbac(target: ConnectOptions, options: VerifyOptions): Promise<RbacVerification> {
  const { login = passwordLogin } = options;
  const proof: Proof = { target: withoutCredentials(target), login, options };
  const { report } = target;
  const cluster = await withClient({ ...proof.target, ...(report && { report }) }, (client) =>
    Promise.resolve(client.cluster),
  );
  const asked: MemberChecks[] = [];
  for (const endpoint of cluster.voters) asked.push({ endpoint, ...(await verifyMember(endpoint, proof)) });
  const checks = mergeMembers(asked);
  const enforced = asked.every((member) => member.enforced);
  const isLoggedIn = checks.every(({ ok }) => ok) || !enforced;
  const findings = isLoggedIn ? await findingsOf(proof, enforced) : [];
  const isWanted = login.form === 'none' ? !enforced : enforced;
  const unasked = cluster.passedOver;
  const ok =
    isWanted &&
    unasked.length === 0 &&
    checks.every((check) => check.ok) &&
    !findings.some(({ severity }) => severity === 'refusal');
  return { login, enforced, ok, endpoints: asked.map(({ endpoint }) => endpoint), unasked, checks, findings };
}

function withoutCredentials(target: ConnectOptions): ConnectOptions {
  const { endpoints, tls, deadlineMs, signal } = target;
  return {
    endpoints,
    ...(tls && { tls }),
    ...(deadlineMs !== undefined && { deadlineMs }),
    ...(signal && { signal }),
  };
}

async function verifyMember(endpoint: string, proof: Proof): Promise<Omit<MemberChecks, 'endpoint'>> {
  const anonymous = { ...proof.target, endpoints: [endpoint] };
  const { login, options } = proof;
  return withClient(anonymous, async (nobody) => {
    const enforced = await nobody.auth.enabled();
    if (!enforced && login.form !== 'none') {
      return { enforced, checks: await checkOnPaper(nobody, login, options.profile) };
    }
    const entry = await checkLogin(nobody, proof);
    if (!entry.ok) return { enforced, checks: [entry] };
    const checks = [
      entry,
      ...(await tryAsBackend(backendOptions(anonymous, proof), proof)),
      ...(await checkOthers(nobody, anonymous, proof)),
    ];
    return { enforced, checks };
  });
}

/** As a backend connects: with a token, or with nothing but its certificate. */
function backendOptions(anonymous: ConnectOptions, { login, options }: Proof): ConnectOptions {
  if (login.form !== 'password') return anonymous;
  return { ...anonymous, credentials: { username: login.user, password: options.sensuPassword ?? '' } };
}

async function tryAsBackend(
  target: ConnectOptions,
  { login, options: { profile } }: Proof,
): Promise<readonly RbacCheck[]> {
  return withClient(target, async (client) => {
    const calls = openBackendCalls(target);
    const tries = { client, calls, profile };
    const as = login.form === 'none' ? 'nobody' : login.user;
    try {
      const allowed = await tryAccesses(as, backendAccesses(tries));
      // Without auth nothing is forbidden to anybody.
      if (login.form === 'none') return allowed;
      return [...allowed, ...(await tryAccesses(as, forbiddenAccesses(tries)))];
    } finally {
      calls.close();
    }
  });
}

async function checkOthers(
  nobody: KvReader & WithAuth,
  anonymous: ConnectOptions,
  { login }: Proof,
): Promise<readonly RbacCheck[]> {
  switch (login.form) {
    case 'certificate':
      return [await checkCertificateDemand(anonymous)];
    case 'password':
      return checkWithoutName(nobody, login, commonNameOf(anonymous.tls ?? {}));
    case 'none':
      return [];
  }
}

/** With auth on, what a certificate is good for was tried above; of a login by password it remains to be looked at. */
async function findingsOf(proof: Proof, enforced: boolean): Promise<readonly RbacFinding[]> {
  const { target, login, options } = proof;
  if (enforced && login.form !== 'password') return [];
  const backend = backendOptions(target, proof);
  return withClient(enforced ? backend : target, async (client) =>
    inspectLogin(client, {
      login,
      ...{
        profile: options.profile,
        authWanted: true,
        tls: target.tls ?? {},
        sensuVersion: options.sensuVersion,
      },
      ...(enforced && {
        credentials: backend.credentials,
        certificateNameServes: await serves(target, proof),
      }),
    }),
  );
}

/** Whether the certificate alone is as good as the login. */
async function serves(target: ConnectOptions, { login, options: { profile } }: Proof): Promise<boolean> {
  const name = commonNameOf(target.tls ?? {});
  if (name === undefined || name === login.user) return name !== undefined;
  return withClient(target, async (client) => {
    const calls = openBackendCalls(target);
    try {
      const checks = await tryAccesses(name, backendAccesses({ client, calls, profile }));
      return checks.every(({ ok }) => ok);
    } finally {
      calls.close();
    }
  });
}

async function withClient<Result>(
  target: ConnectOptions,
  work: (client: EtcdClient) => Promise<Result>,
): Promise<Result> {
  const client = await connect(target);
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}
