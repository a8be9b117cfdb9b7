import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { deepVerify } from '../../../src/restore/deep-verify.js';
import type { Manifest } from '../../../src/snapshot/archive/manifest.js';
import { verifyFile } from '../../../src/snapshot/verify/verify.js';
import { silentContext } from '../../support/silent-context.js';
import { etcdBinaries, newestEtcdVersion } from '../../support/etcd.js';
import { fixture } from '../../support/recorded-truth.js';
import { unpackFixture } from '../../support/unpack.js';
import { found, layerOf, testPath, verifyBytes } from './damaged.js';
import { archiveOf, recordedPath, recordings, trailerLength } from './recorded.js';

const small = recordedPath('kitchen-sink-6.12.0');

describe('an archive', () => {
  it.each(recordings)('of %s is sound in every layer', async (name) => {
    const verification = await verifyBytes(await archiveOf(recordedPath(name)), 'a.sferry');
    expect(verification.findings).toEqual([]);
    expect(verification).toMatchObject({ ok: true, kind: 'archive', hashChecked: true });
    expect(verification.layers.map(({ layer, status }) => `${layer} ${status}`)).toEqual(
      ['archive', 'trailer', 'pages', 'mvcc', 'sensu', 'digest'].map((layer) => `${layer} ok`),
    );
  });

  it('with a passphrase is sound with the passphrase, and not judged without', async () => {
    const path = testPath('a.sferry');
    const encrypted = (manifest: Manifest): Manifest => ({ ...manifest, encrypted: { passphrase: true } });
    writeFileSync(path, await archiveOf(small, encrypted, { passphrase: 'correct horse' }));
    const access = { keys: { identities: [], passphrases: ['correct horse'] } };
    expect(await verifyFile(silentContext(), path, { access })).toMatchObject({ ok: true, keys: 63 });
    await expect(verifyFile(silentContext(), path)).rejects.toMatchObject({ code: 'SNAPSHOT_ENCRYPTED' });
  });

  const untrue: readonly (readonly [string, RegExp, (manifest: Manifest) => Manifest])[] = [
    [
      'another digest',
      /^the digest of lasting keys is [0-9a-f]{64}, but 0{64} in the manifest$/,
      ({ content, ...rest }) => ({
        ...rest,
        content: { ...content, digest: { ...content.digest, lasting: '0'.repeat(64) } },
      }),
    ],
    [
      'another revision',
      /^the revision is 88, but 89 in the manifest$/,
      ({ etcd, ...rest }) => ({ ...rest, etcd: { ...etcd, revision: '89' } }),
    ],
    [
      'fewer prefixes',
      /^the number of keys under \S+ is \d+, but undefined in the manifest$/,
      ({ content, ...rest }) => ({ ...rest, content: { ...content, prefixes: content.prefixes.slice(1) } }),
    ],
  ];
  it.each(untrue)('is not, when its manifest has %s', async (_what, finding, change) => {
    const verification = await verifyBytes(await archiveOf(small, change), 'a.sferry');
    expect(found(verification, 'digest')).toEqual([expect.stringMatching(finding)]);
    expect(verification.ok).toBe(false);
  });

  it('whose manifest alone is damaged still tells that the store in it is whole', async () => {
    const bytes = await archiveOf(small);
    const place = bytes.lastIndexOf('"tool": "sensu-ferry 0.1.0"') + 24;
    bytes[place]! ^= 1;
    const verification = await verifyBytes(bytes, 'a.sferry');
    expect(found(verification, 'archive')[0]).toMatch(/^The manifest in .* is not what was written/);
    expect(verification).toMatchObject({ ok: false, revision: 88n, keys: 63 });
    expect(layerOf(verification, 'digest').status).toBe('absent');
  });

  it('that is cut short leaves nothing else to look at', async () => {
    const verification = await verifyBytes((await archiveOf(small)).subarray(0, 3000), 'a.sferry');
    expect(verification.layers.map(({ status }) => status)).toEqual([
      'failed',
      ...Array<string>(5).fill('skipped'),
    ]);
  });
});

describe('a bare db file', () => {
  it('of a stopped member is sound as far as it can be told', async () => {
    const folder = testPath('member');
    mkdirSync(folder);
    unpackFixture('cluster3-6.12.0/stopped/backend-1.tar.gz', folder);
    const verification = await verifyFile(silentContext(), `${folder}/etcd/data/member/snap/db`);
    expect(verification).toMatchObject({ ok: true, hashChecked: false, keys: 2573 });
    expect(layerOf(verification, 'trailer')).toMatchObject({
      status: 'absent',
      notes: [expect.stringContaining('without a sha256')],
    });
  });

  /** The trap: with --bump-revision, a record of nothing takes the revision that is to be the newest. */
  it('of a restore by etcdutl is sound, its revision bumped or not', async () => {
    const { etcdutl } = etcdBinaries(newestEtcdVersion);
    const bump = ['--bump-revision', '1000', '--mark-compacted'];
    for (const flags of [[], bump]) {
      const folder = testPath('restored');
      execFileSync(etcdutl!, ['snapshot', 'restore', small, '--data-dir', folder, ...flags], {
        stdio: 'pipe',
      });
      const verification = await verifyFile(silentContext(), `${folder}/member/snap/db`);
      expect(verification.findings).toEqual([]);
      expect(verification).toMatchObject({ revision: flags.length > 0 ? 1088n : 88n, keys: 63 });
    }
  });

  /** The trap: it has not grown yet, and its last transaction changed nothing, as the copy that a snapshot is. */
  it('fresh from a restore by etcdctl 3.4 is no snapshot that was cut off', async () => {
    const file = gunzipSync(readFileSync(fixture('stopped-members/fresh-from-3.4.db.gz')));
    const verification = await verifyBytes(file);
    expect(verification.findings).toEqual([]);
    expect(layerOf(verification, 'trailer').status).toBe('absent');
  });

  it('that a tool has opened after a restore is no snapshot that was cut off', async () => {
    const { etcdutl } = etcdBinaries(newestEtcdVersion);
    const folder = testPath('opened');
    execFileSync(etcdutl!, ['snapshot', 'restore', small, '--data-dir', folder], { stdio: 'pipe' });
    for (let i = 0; i < 2; i++) {
      execFileSync(etcdutl!, ['hashkv', `${folder}/member/snap/db`], { stdio: 'pipe' });
      expect((await verifyFile(silentContext(), `${folder}/member/snap/db`)).findings).toEqual([]);
    }
  });

  /** The trap: what is left of a snapshot without its last 32 bytes is a bbolt file in good order. */
  it.each(recordings)('is no snapshot whose sha256 was cut off: %s', async (name) => {
    const verification = await verifyBytes(readFileSync(recordedPath(name)).subarray(0, -trailerLength));
    expect(verification.ok).toBe(false);
    expect(found(verification, 'trailer')[0]).toContain('the end of a snapshot was cut off');
  });
});

describe('with a restore', () => {
  const context = { ...silentContext(), env: process.env };

  it('every recorded snapshot comes back as it was', async () => {
    const verification = await verifyFile(context, recordedPath('cluster3-6.12.0'), { deep: deepVerify });
    expect(verification).toMatchObject({ ok: true, keys: 768 });
    expect(layerOf(verification, 'restore')).toMatchObject({
      status: 'ok',
      counts: { keys: 768, leases: 17 },
    });
  });

  it('what is not what the file holds is found', async () => {
    const verification = await verifyFile(context, small, {
      deep: (own, view, contents, report) => {
        const digest = { ...contents.digest, lasting: '0'.repeat(64) };
        return deepVerify(own, view, { ...contents, digest }, report);
      },
    });
    expect(found(verification, 'restore')).toEqual(['The restored store has another digest than the file.']);
  });

  it('what is known to be damaged is not restored', async () => {
    const path = testPath('cut.db');
    writeFileSync(path, readFileSync(small).subarray(0, -trailerLength));
    const deep = (): never => {
      throw new Error('It was restored.');
    };
    expect(layerOf(await verifyFile(context, path, { deep }), 'restore').status).toBe('skipped');
  });

  it('needs an etcd', async () => {
    const nowhere = {
      ...silentContext(),
      env: { PATH: '', HOME: '/nonexistent', SENSU_FERRY_CACHE: '/nonexistent' },
    };
    await expect(verifyFile(nowhere, small, { deep: deepVerify })).rejects.toMatchObject({
      code: 'NO_ETCD_FOUND',
    });
  });
});
