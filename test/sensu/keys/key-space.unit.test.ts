import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { classifyKey, namespaceOf, type KeyClass } from '../../../src/sensu/keys/key-space.js';

const classify = (key: string): KeyClass => classifyKey(Buffer.from(key));
const uuid = '24484dcc-ee3e-4f43-a347-a4aec7cd1523';

/** One line for each row of the key space: key, group below the root, kind, namespace, name. */
const rows: readonly [string, string, KeyClass['kind'], string | undefined, string | undefined][] = [
  ['namespaces/ops', 'namespaces/', 'configuration', 'ops', 'ops'],
  ['assets/ops/cpu', 'assets/', 'configuration', 'ops', 'cpu'],
  ['checks/ops/cpu', 'checks/', 'configuration', 'ops', 'cpu'],
  ['event-filters/ops/hourly', 'event-filters/', 'configuration', 'ops', 'hourly'],
  ['handlers/ops/slack', 'handlers/', 'configuration', 'ops', 'slack'],
  ['hooks/ops/tree', 'hooks/', 'configuration', 'ops', 'tree'],
  ['mutators/ops/m', 'mutators/', 'configuration', 'ops', 'm'],
  ['pipelines/ops/p', 'pipelines/', 'configuration', 'ops', 'p'],
  ['silenced/ops/entity:vm:cpu', 'silenced/', 'configuration', 'ops', 'entity:vm:cpu'],
  ['rbac/roles/ops/r', 'rbac/roles/', 'configuration', 'ops', 'r'],
  ['rbac/rolebindings/ops/r', 'rbac/rolebindings/', 'configuration', 'ops', 'r'],
  ['rbac/clusterroles/r', 'rbac/clusterroles/', 'configuration', undefined, 'r'],
  ['rbac/clusterrolebindings/r', 'rbac/clusterrolebindings/', 'configuration', undefined, 'r'],
  ['users/alice', 'users/', 'configuration', undefined, 'alice'],
  [`apikeys/${uuid}`, 'apikeys/', 'configuration', undefined, uuid],
  ['tessen', 'tessen', 'configuration', undefined, undefined],
  ['entity_configs/ops/vm', 'entity_configs/', 'configuration', 'ops', 'vm'],
  ['entity_states/ops/vm', 'entity_states/', 'state', 'ops', 'vm'],
  ['resource_templates/t', 'resource_templates/', 'configuration', undefined, 't'],
  ['entities/ops/vm', 'entities/', 'configuration', 'ops', 'vm'],
  ['extensions/ops/x', 'extensions/', 'configuration', 'ops', 'x'],
  ['events/ops/vm/keepalive', 'events/', 'state', 'ops', 'vm/keepalive'],
  ['keepalives/backend-1/ops/vm', 'keepalives/', 'state', 'ops', 'vm'],
  ['cluster_id', 'cluster_id', 'configuration', undefined, undefined],
  ['authentication/secret', 'authentication/', 'configuration', undefined, 'secret'],
  ['.initialized', '.initialized', 'configuration', undefined, undefined],
  ['sensu_database_version', 'sensu_database_version', 'configuration', undefined, undefined],
  [
    'sensu_enterprise_database_version',
    'sensu_enterprise_database_version',
    'configuration',
    undefined,
    undefined,
  ],
  ['user_sessions/admin/0921bc88', 'user_sessions/', 'ephemeral', undefined, 'admin/0921bc88'],
  ['backends/7c5fa2061a086207', 'backends/', 'ephemeral', undefined, '7c5fa2061a086207'],
  ['queue/adhocRequest/7c5f/work/1234', 'queue/', 'ephemeral', undefined, 'adhocRequest/7c5f/work/1234'],
  ['switchsets/keepalived/ops/vm', 'switchsets/', 'ephemeral', 'ops', 'vm'],
  ['switchsets/eventd/ops/cpu/vm', 'switchsets/', 'ephemeral', 'ops', 'cpu/vm'],
  ['switchsets/eventd/ops/cpu', 'switchsets/', 'ephemeral', 'ops', 'cpu'],
  ['rings/ops/linux/items/vm', 'rings/', 'ephemeral', 'ops', 'linux/items/vm'],
  [
    'rings/ops/linux/triggers/c/1/*/5 * * * *',
    'rings/',
    'ephemeral',
    'ops',
    'linux/triggers/c/1/*/5 * * * *',
  ],
  ['rings/global/backends/items/b', 'rings/', 'ephemeral', undefined, 'global/backends/items/b'],
  [
    'api/enterprise/licensing/v2/license',
    'api/enterprise/licensing/',
    'configuration',
    undefined,
    'v2/license',
  ],
  [
    'api/enterprise/secrets/v1/namespaces/ops/secrets/s',
    'api/enterprise/secrets/',
    'configuration',
    'ops',
    'v1/secrets/s',
  ],
];

describe('a key of Sensu', () => {
  it.each(rows)('%s', (key, group, kind, namespace, name) => {
    expect(classify(`/sensu.io/${key}`)).toEqual({
      group: `/sensu.io/${group}`,
      kind,
      ...(namespace !== undefined && { namespace }),
      ...(name !== undefined && { name }),
    });
    expect(namespaceOf(Buffer.from(`/sensu.io/${key}`))).toBe(namespace);
  });
});

describe('a key that is not known', () => {
  it('is counted under its first segment', () => {
    expect(classify('/sensu.io/novelty/a/b')).toEqual({
      group: '/sensu.io/novelty/',
      kind: 'unknown',
      name: 'a/b',
    });
    expect(classify('/sensu.io/novelty')).toEqual({ group: '/sensu.io/novelty', kind: 'unknown' });
    expect(classify('/sensu.io/rbac/novelty/a')).toMatchObject({ group: '/sensu.io/rbac/', kind: 'unknown' });
    expect(classify('/sensu.io/api/other/a')).toMatchObject({ group: '/sensu.io/api/', kind: 'unknown' });
  });

  it('is not taken for one that it begins like', () => {
    expect(classify('/sensu.io/checks')).toEqual({ group: '/sensu.io/checks', kind: 'unknown' });
    expect(classify('/sensu.io/tessen/more').kind).toBe('unknown');
    expect(classify('/sensu.io/constructor/x').kind).toBe('unknown');
  });

  it('lies outside when it is not below the root', () => {
    for (const key of ['/sensu.io', '/sensu.io0', 'health', '.initialized', '']) {
      expect(classify(key)).toMatchObject({ group: '(outside /sensu.io/)', kind: 'unknown' });
    }
    expect(classify('.initialized.lock/7c5fa2061a086207').kind).toBe('ephemeral');
  });

  it('may be any bytes', () => {
    const key = Buffer.concat([Buffer.from('/sensu.io/checks/ops/'), Buffer.of(0xff, 0x00, 0xc3)]);
    expect(classifyKey(key)).toMatchObject({ group: '/sensu.io/checks/', namespace: 'ops' });
  });
});

interface Truth {
  readonly keys: readonly { readonly key: string; readonly lease: unknown }[];
}

describe.each(['single-6.7.5', 'cluster3-6.12.0', 'kitchen-sink-6.12.0'])('the store %s', (name) => {
  const url = new URL(`../../../fixtures/${name}/truth.json`, import.meta.url);
  const { keys } = JSON.parse(readFileSync(url, 'utf8')) as Truth;

  it('has no key that is not known', () => {
    expect(keys.length).toBeGreaterThan(60);
    expect(keys.filter(({ key }) => classify(key).kind === 'unknown')).toEqual([]);
  });

  it('has leases on keys of ephemeral groups alone', () => {
    const leased = keys.filter(({ lease }) => lease !== null);
    expect(leased.length).toBeGreaterThan(3);
    expect(leased.filter(({ key }) => classify(key).kind !== 'ephemeral')).toEqual([]);
  });
});

describe('speed', () => {
  it('takes 150,000 keys in a fraction of a second', () => {
    const keys = Array.from({ length: 150_000 }, (_, i) =>
      Buffer.from(`/sensu.io/events/default/host-${String(i)}.example.com/check-cpu`),
    );
    const startedAt = performance.now();
    for (const key of keys) classifyKey(key);
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });
});
