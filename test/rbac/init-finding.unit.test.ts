import { expect, test } from 'vitest';
import type { EtcdClient } from '../../src/etcd/client.js';
import { findingsOf } from '../../src/rbac/findings.js';

/** A cluster without keys, whose members are of these releases. */
function clusterOf(...versions: readonly string[]): EtcdClient {
  const status = (endpoint: string): Promise<unknown> => Promise.resolve({ version: endpoint });
  return {
    cluster: { voters: versions },
    status,
    range: () => Promise.resolve({ count: 0n }),
  } as unknown as EtcdClient;
}

// Whether init needs root is a matter of the release: a warning everywhere made people doubt where all is well.
test.each([
  [['3.4.23'], 'note INIT_GRANTS_ARE_PASSING'],
  [['3.5.16'], 'note INIT_GRANTS_ARE_PASSING'],
  [['3.5.30'], 'warning INIT_MAY_NEED_ROOT'],
  [['3.5.35'], 'note INIT_GRANTS_ARE_PASSING'],
  [['3.6.6'], 'warning INIT_MAY_NEED_ROOT'],
  [['3.6.16'], 'note INIT_GRANTS_ARE_PASSING'],
  [['3.7.3'], 'note INIT_GRANTS_ARE_PASSING'],
  [['3.5.16', '3.5.30'], 'warning INIT_MAY_NEED_ROOT'],
])('the profile init on %s', async (versions, expected) => {
  const findings = await findingsOf(clusterOf(...versions), { profile: 'init', enableAuth: true }, false);
  expect(findings.map(({ severity, code }) => `${severity} ${code}`)).toEqual([expected]);
});
