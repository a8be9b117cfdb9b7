import type { EtcdClient } from '../../src/etcd/client.js';
import type { EtcdAuth } from '../../src/etcd/facets/auth.js';

const reads: readonly (keyof EtcdAuth)[] = [
  'enabled',
  'users',
  'userRoles',
  'roles',
  'rolePermissions',
  'authenticates',
];

/** The client with each call that changes users, roles or the switch handed to `around`, which makes it or not. */
export function intercepted(
  client: EtcdClient,
  around: (method: keyof EtcdAuth, make: () => Promise<unknown>) => Promise<unknown>,
): EtcdClient {
  const auth = new Proxy(client.auth, {
    get(target, name) {
      const method = name as keyof EtcdAuth;
      const call = target[method].bind(target) as (...args: readonly unknown[]) => Promise<unknown>;
      if (reads.includes(method)) return call;
      return (...args: readonly unknown[]) => around(method, () => call(...args));
    },
  });
  return new Proxy(client, {
    get(target, name) {
      if (name === 'auth') return auth;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

export class Cut extends Error {
  override readonly name = 'Cut';
}

/** Cut off at the call with this number: before it is made, or after, when its answer is lost. */
export function cutAt(client: EtcdClient, call: number, moment: 'before' | 'after'): EtcdClient {
  let made = 0;
  return intercepted(client, async (_method, make) => {
    made += 1;
    if (made === call && moment === 'before') throw new Cut();
    const answer = await make();
    if (made === call) throw new Cut();
    return answer;
  });
}
