import type { Permission } from '../etcd/facets/auth.js';
import { sensuRoot } from '../store/sensu-root.js';

/** etcd's administrator: user and role have this one name, which etcd itself knows. */
export const rootName = 'root';
/** The names that Sensu's guide gives to its etcd user and role. */
export const sensuUser = 'sensu';
export const sensuRole = 'sensu_readwrite';

/**
 * - `documented`: the grant of Sensu's guide, every key from `/sensu.io/` on, and what it lacks.
 * - `least`: no more than a backend uses, which leaves the keys of others alone.
 * - `init`: `documented`, and what `sensu-backend init` needs. On that base, so that going to `init` for one
 *   command, from either of the others, takes nothing from a backend that runs.
 */
export type Profile = 'documented' | 'least' | 'init';

export const profiles: readonly Profile[] = ['documented', 'least', 'init'];

/** Prefix of the mutex that `sensu-backend init` takes. It sorts before `/`, so no grant on Sensu's root holds it. */
export const initLockPrefix = Buffer.from('.initialized.lock/');
export const initLockRange = { key: initLockPrefix, end: Buffer.from('.initialized.lock0') };

/** Where Sensu before 5.18 noted that a store is initialised; `init` still looks there. */
export const oldInitializedKey = Buffer.from('.initialized');

/** A backend reads this key, without the last slash, at every start: it sorts before the guide's grant. */
export const rootKey = Buffer.from('/sensu.io');

const fromRoot: Permission = { access: 'readwrite', key: sensuRoot.start, end: Buffer.from([0]) };
const underRoot: Permission = { access: 'readwrite', key: sensuRoot.start, end: sensuRoot.end };
const readRootKey: Permission = { access: 'read', key: rootKey };

const grants: Readonly<Record<Profile, readonly Permission[]>> = {
  documented: [fromRoot, readRootKey],
  least: [underRoot, readRootKey],
  init: [
    fromRoot,
    readRootKey,
    { access: 'readwrite', ...initLockRange },
    { access: 'read', key: oldInitializedKey },
  ],
};

/** What Sensu's role holds under the profile: these permissions and no other. */
export function wantedGrants(profile: Profile): readonly Permission[] {
  return grants[profile];
}
