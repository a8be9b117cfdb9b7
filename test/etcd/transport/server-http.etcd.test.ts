import { expect, it } from 'vitest';
import { readServerHttpFacts } from '../../../src/etcd/transport/server-http.js';
import type { Revision } from '../../../src/store/view.js';
import { etcdVersions, startEtcd } from '../../support/etcd.js';

it.each(etcdVersions)(
  'etcd %s shows that it compacts, once it has',
  async (version) => {
    const etcd = await startEtcd({ version, until: 'test' });
    const client = await etcd.connect();
    const key = Buffer.from('a');
    let revision = 0n as Revision;
    for (const value of ['1', '2', '3']) {
      ({ revision } = await client.txn({ writes: [{ type: 'put', key, value: Buffer.from(value) }] }));
    }
    expect(await readServerHttpFacts(etcd.endpoint, {})).toMatchObject({ hasCompacted: false });
    await client.compact(revision);
    expect(await readServerHttpFacts(etcd.endpoint, {})).toMatchObject({ hasCompacted: true });
  },
  60_000,
);
