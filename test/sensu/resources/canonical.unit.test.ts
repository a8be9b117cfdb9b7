import { describe, expect, it } from 'vitest';
import { fromBody, toBody } from '../../../src/sensu/api/body.js';
import { formatJson, parseJson } from '../../../src/sensu/api/json.js';
import { routeOf } from '../../../src/sensu/api/routes.js';
import { classifyKey } from '../../../src/sensu/keys/key-space.js';
import { isApiObject, type ApiObject, type ApiResource } from '../../../src/sensu/resources/api-value.js';
import { canonicalResource } from '../../../src/sensu/resources/canonical.js';
import { kindOfGroup } from '../../../src/sensu/resources/kinds.js';
import { toApiResource } from '../../../src/sensu/resources/to-api-resource.js';
import { openStore } from '../../../src/snapshot/open/open.js';
import { sensuRoot } from '../../../src/store/sensu-root.js';
import { silentContext } from '../../support/silent-context.js';
import { snapshotOf } from '../../restore/etcd/truth.js';

const check = (spec: ApiObject): ApiResource =>
  canonicalResource({ type: 'CheckConfig', apiVersion: 'core/v2', metadata: {}, spec });

/** Fields the other way round, as JSON has no order. */
function reversed(object: ApiObject): ApiObject {
  const entries = Object.entries(object).map(([name, value]): [string, ApiObject[string]] => [
    name,
    isApiObject(value) ? reversed(value) : value,
  ]);
  return Object.fromEntries(entries.reverse());
}

describe('a resource that was read as JSON', () => {
  /** The trap: dumps of one store from two sources differ in the order of fields, or in kinds of numbers. */
  it.each(['kitchen-sink-6.12.0', 'cluster3-6.12.0', 'single-6.7.5'])(
    'is the same to the byte as the one that was decoded: all of %s',
    async (fixture) => {
      const view = await openStore(snapshotOf(fixture), silentContext());
      let count = 0;
      for await (const batch of view.entries(sensuRoot)) {
        for (const { key, value } of batch) {
          const kind = kindOfGroup(classifyKey(key).group);
          if (kind === undefined || kind.type === 'Entity') continue;
          const { resource } = toApiResource(classifyKey(key), value)!;
          const route = routeOf(kind.type, kind.apiVersion)!;
          const body = parseJson(formatJson(reversed(toBody(route, resource)))) as ApiObject;
          const read = fromBody(route, body);
          expect(read).toEqual(resource);
          expect(formatJson({ ...read })).toBe(formatJson({ ...resource }));
          count += 1;
        }
      }
      view.close();
      expect(count).toBeGreaterThan(20);
    },
    60_000,
  );

  it('keeps fields of a newer Sensu, and values of the wrong type, as they are', () => {
    const spec = { ttl: 'soon', pipelines: 7, fallback_pipeline: { b: 1, a: [2] }, interval: 30 };
    expect(check(spec).spec).toEqual(spec);
    expect(Object.keys(check(spec).spec)).toEqual(['fallback_pipeline', 'interval', 'pipelines', 'ttl']);
  });

  it('has numbers of 64 bits as bigint, whatever their size, also in lists', () => {
    expect(check({ ttl: 60, interval: 30 }).spec).toEqual({ ttl: 60n, interval: 30 });
    const event = canonicalResource({
      ...{ type: 'Event', apiVersion: 'core/v2', metadata: {} },
      spec: { check: { history: [{ executed: 1, status: 0 }], duration: 100_000_000_000_000_000_000n } },
    });
    expect(event.spec).toEqual({
      check: { duration: 1e20, history: [{ executed: 1n, status: 0 }] },
    });
  });

  it('of an unknown type stays as it is', () => {
    const secret = { type: 'Secret', apiVersion: 'secrets/v1', metadata: { b: '', a: '' }, spec: { ttl: 1 } };
    expect(canonicalResource(secret)).toBe(secret);
  });
});
