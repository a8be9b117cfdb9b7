import { describe, expect, it } from 'vitest';
import { ferry, fixture } from '../../support/ferry.js';
import { enableAuth, startEtcd } from '../../support/etcd.js';

const snapshot = fixture('single-6.7.5/snapshot.db');

describe('snapshot verify --against', () => {
  it('finds a copy the same, and every key that is changed after, and exits 13', async () => {
    const etcd = await startEtcd({ until: 'test' });
    const client = await etcd.connect();
    const against = ['snapshot', 'verify', snapshot, '--against', '--endpoints', etcd.endpoint];
    const restored = await ferry([
      'restore',
      'etcd',
      '--from',
      snapshot,
      '--endpoints',
      etcd.endpoint,
      '--yes',
    ]);
    expect(restored.code).toBe(0);
    const same = await ferry(against);
    expect({ code: same.code, stderr: same.stderr }).toEqual({ code: 0, stderr: '' });
    expect(same.stdout).toMatch(
      /\n {2}against {2}ok {6}live store at revision \d+: 0 added, 0 removed, 0 changed\n/,
    );

    const put = (key: string, value: string) => ({
      type: 'put' as const,
      key: Buffer.from(key),
      value: Buffer.from(value),
    });
    const check = put('/sensu.io/checks/default/check-cpu', '{}');
    await client.txn({
      writes: [check, put('/sensu.io/apikeys/secret-key-4711', ''), put('/elsewhere', '')],
    });
    const differs = await ferry(against);
    expect(differs.code).toBe(13);
    expect(differs.stdout).toMatch(/NOT OK/);
    expect(differs.stdout).toMatch(
      /\n {19}~ \/sensu\.io\/checks\/default\/check-cpu \(metadata\.annotations/,
    );
    expect(differs.stdout).toMatch(/\n {19}\+ \/sensu\.io\/apikeys\/\(hidden, sha256 /);
    expect(differs.stdout).not.toMatch(/secret-key-4711|elsewhere/);
    const { ok, files } = JSON.parse((await ferry([...against, '--json'])).stdout) as {
      ok: boolean;
      files: unknown[];
    };
    expect(ok).toBe(false);
    expect(files).toMatchObject([
      { ok: false, against: { same: false, lasting: { added: 1, removed: 0, changed: 1 } } },
    ]);
  });

  it('does not call a store different for keys that come and go', async () => {
    const etcd = await startEtcd({ until: 'test' });
    const endpoints = ['--endpoints', etcd.endpoint];
    const restored = await ferry([
      'restore',
      'etcd',
      '--from',
      snapshot,
      ...endpoints,
      '--exclude-ephemeral',
      '--yes',
    ]);
    expect(restored.code).toBe(0);
    const ended = await ferry(['snapshot', 'verify', snapshot, '--against', ...endpoints]);
    expect(ended.code).toBe(0);
    expect(ended.stdout).toMatch(/note: of ephemeral keys, which come and go, 0 added, 8 removed, 0 changed/);
  });

  it('needs endpoints, and endpoints need it', async () => {
    expect((await ferry(['snapshot', 'verify', snapshot, '--against'])).code).toBe(2);
    const alone = await ferry(['snapshot', 'verify', snapshot, '--endpoints', 'http://127.0.0.1:1']);
    expect(alone.code).toBe(2);
    expect(alone.stderr).toContain('[AGAINST_MISSING]');
    const configOnly = await ferry(['snapshot', 'verify', snapshot, '--config-only']);
    expect({ code: configOnly.code, missing: configOnly.stderr.includes('[AGAINST_MISSING]') }).toEqual({
      code: 2,
      missing: true,
    });
  });

  it('says that it may not read, rather than that the store differs', async () => {
    const etcd = await startEtcd({ until: 'test' });
    await enableAuth(etcd);
    const ended = await ferry(['snapshot', 'verify', snapshot, '--against', '--endpoints', etcd.endpoint]);
    expect(ended.code).toBe(12);
  });
});
