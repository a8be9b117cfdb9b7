import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { shownConfiguration } from '../../../src/migrate/copy/shown-configuration.js';
import type { Proof } from '../../../src/migrate/proof.js';
import { connectApi } from '../../../src/sensu/api/connection.js';
import { openStore } from '../../../src/snapshot/open/open.js';
import { serveDouble, type ServedDouble } from '../../support/served-double.js';
import { silentContext } from '../../support/silent-context.js';
import { snapshotOf } from '../../restore/etcd/truth.js';
import { recordedAnswer, startRecordedApi, type Asked, type Reply } from '../../support/recorded-api.js';

const fixture = 'cluster3-6.12.0';
/** The key of admin in the recorded store. */
const apiKey = '24484dcc-ee3e-4f43-a347-a4aec7cd1523';

/** What the real backend said on the recorded store. */
function recordedReply({ path }: Asked): Reply {
  return recordedAnswer(path.replace(/\?.*/, '').split('/').at(-1)!);
}

async function proveAt(url: string, key = apiKey): Promise<Proof> {
  const context = silentContext();
  const store = await openStore(snapshotOf(fixture), context);
  try {
    return await shownConfiguration(context, connectApi({ url, login: { apiKey: key } }), store);
  } finally {
    store.close();
  }
}

it('finds everything in the answers of the real backend, and nothing changed', async () => {
  const api = await startRecordedApi(recordedReply);
  onTestFinished(() => api.stop());
  const { outcome, found } = await proveAt(api.url);
  expect(outcome).toBe('proven');
  expect(found).toMatch(/^\d\d+ resources are there$/);
});

describe('the proof that the API shows what was carried', () => {
  let double: ServedDouble;
  beforeEach(async () => {
    double = await serveDouble(fixture);
  }, 180_000);
  afterEach(() => double.stop());

  const prove = (key?: string): Promise<Proof> => proveAt(double.url, key);

  it('counts what is there, and names what is missing without telling a key', async () => {
    expect(await prove()).toMatchObject({
      outcome: 'proven',
      found: expect.stringMatching(/^\d\d+ resources are there$/) as unknown,
    });
    const keys = (
      await double.client.range({
        start: Buffer.from('/sensu.io/apikeys/'),
        end: Buffer.from('/sensu.io/apikeys0'),
      })
    ).entries;
    const other = keys.map(({ key }) => key).find((key) => !key.toString().includes(apiKey))!;
    await double.client.txn({ writes: [{ type: 'delete', key: other }] });
    const proof = await prove();
    expect(proof).toMatchObject({ outcome: 'failed' });
    expect(proof.found).toBe(`1 missing: APIKey …${other.toString().slice(-4)}`);
  });

  it('does not blame a migration for what somebody has changed since', async () => {
    const range = { start: Buffer.from('/sensu.io/handlers/'), end: Buffer.from('/sensu.io/handlers0') };
    const { entries } = await double.client.range(range);
    const { key, value } = entries[0]!;
    // Of protobuf's field 4, the command, the last one counts.
    const changed = Buffer.concat([value, Buffer.from('\x22\x04true', 'latin1')]);
    await double.client.txn({ writes: [{ type: 'put', key, value: changed }] });
    const proof = await prove();
    expect(proof).toMatchObject({ outcome: 'proven' });
    expect(proof.found).toContain('changed since the switch: Handler ');
  });

  it('fails on an API key that nobody has', async () => {
    const proof = await prove('00000000-0000-0000-0000-000000000000');
    expect(proof.outcome).toBe('failed');
  });
});
