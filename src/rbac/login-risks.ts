import { isAtLeast } from '../etcd/version.js';
import type { TokenKind } from '../etcd/token-kind.js';
import type { BackendLogin } from './login.js';
import type { RbacFinding } from './plan-types.js';

/** What decides whether backends stay logged in. */
export interface LoginSituation {
  readonly login: BackendLogin;
  /** CN of the client certificate that backends connect with; undefined without one. */
  readonly certificateName: string | undefined;
  /** Whether that name is, or is made, a user with the grants of a backend. */
  readonly certificateNameServes: boolean;
  /** `assumed-simple`: no token could be had, and etcd gives simple ones unless told otherwise. */
  readonly token: TokenKind | 'assumed-simple';
  /** How many members the cluster has. */
  readonly members: number;
  readonly etcdVersions: readonly string[];
  /** Undefined when nobody can say. */
  readonly sensuVersion: string | undefined;
}

/**
 * What is known to go wrong with a login by password: a backend logs in about once a second, and a simple token that
 * reaches a member before the login does is refused. The request is then sent without a user name, and what happens
 * to it depends on the client certificate. See docs/decisions/0017.
 */
export function loginRisks(situation: LoginSituation): readonly RbacFinding[] {
  const { login, token, members, certificateName, certificateNameServes } = situation;
  const isSimple = token === 'simple' || token === 'assumed-simple';
  if (login.form !== 'password' || !isSimple || members < 2) return [];
  return [
    certificateName !== undefined && !certificateNameServes
      ? failing(situation, certificateName)
      : losing(situation),
  ];
}

/** etcd takes the CN for the user and answers "permission denied", which no client tries again. */
function failing(situation: LoginSituation, certificateName: string): RbacFinding {
  const known = knowledgeOf(situation);
  return {
    severity: known === 'seen' ? 'refusal' : 'warning',
    code: 'LOGIN_WILL_FAIL',
    sentence:
      `${tokenWords(situation)}, and the CN of the client certificate, ${certificateName}, is not an etcd user with the grants: ` +
      'sensu-backend 6.12.0 then answers 401 and 500 to right API keys within minutes, restarts parts of itself, and can lose TTL checks.' +
      knownWords(known),
    remedy: remedyFor(situation),
  };
}

function losing(situation: LoginSituation): RbacFinding {
  const known = knowledgeOf(situation);
  return {
    severity: known === 'not-seen' ? 'note' : 'warning',
    code: 'LOGIN_LOSES_EVENTS',
    sentence:
      `${tokenWords(situation)}: sensu-backend 6.12.0 on etcd 3.5 then drops an event or the watch over a TTL now and then, 6 to 9 in 8 minutes at 17 events a second.` +
      knownWords(known),
    remedy: remedyFor(situation),
  };
}

type Knowledge = 'seen' | 'not-seen' | 'unknown';

/** Seen with 6.12.0 on 3.5.16, 3.5.30, 3.6.16 and 3.7.3; not seen with 6.7.5, nor on 3.4.23, in 4 to 8 minutes. */
function knowledgeOf({ sensuVersion, etcdVersions }: LoginSituation): Knowledge {
  if (etcdVersions.length > 0 && etcdVersions.every((version) => !isAtLeast(version, [3, 5, 0]))) {
    return 'not-seen';
  }
  if (etcdVersions.length === 0 || sensuVersion === undefined || !/^\d+\.\d+/.test(sensuVersion))
    return 'unknown';
  if (isAtLeast(sensuVersion, [6, 12, 0])) return 'seen';
  return isAtLeast(sensuVersion, [6, 8, 0]) ? 'unknown' : 'not-seen';
}

function knownWords(knowledge: Knowledge): string {
  switch (knowledge) {
    case 'seen':
      return '';
    case 'unknown':
      return ' Other releases have not been tried.';
    case 'not-seen':
      return ' It was not seen with sensu-backend 6.7.5, nor on etcd 3.4, in 4 to 8 minutes; why is not known.';
  }
}

function tokenWords({ token, members }: LoginSituation): string {
  return token === 'simple'
    ? `The ${members} members give simple tokens`
    : `The ${members} members give simple tokens, as etcd does unless told otherwise`;
}

function remedyFor({ login, token }: LoginSituation): string {
  const unseen =
    token === 'simple'
      ? ''
      : " If a file or a variable tells them so already, turn auth on first ('sensu-ferry rbac apply --enable-auth'): their tokens show it then.";
  return (
    `Use --auth certificate with a client certificate whose CN is ${login.user}; or start every member with ` +
    `--auth-token jwt,pub-key=FILE,priv-key=FILE,sign-method=RS256, with the same keys.${unseen}`
  );
}
