import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { deepVerify } from '../../../src/restore/deep-verify.js';
import type { FileView } from '../../../src/at-rest/store-view.js';
import { verifyFile } from '../../../src/snapshot/verify/verify.js';
import { silentContext } from '../../support/silent-context.js';
import { etcdBinaries, newestEtcdVersion } from '../../support/etcd.js';
import { layerOf, testPath } from './damaged.js';
import { recordedPath } from './recorded.js';

/** An etcd that writes down what it listens on. */
function placeTalkativeEtcd(folder: string): void {
  const { etcd, etcdctl } = etcdBinaries(newestEtcdVersion);
  const script = `#!/bin/sh\n[ "$1" = --version ] || printf '%s\\n' "$@" >'${folder}/flags'\nexec '${etcd}' "$@"\n`;
  writeFileSync(join(folder, 'etcd'), script, { mode: 0o755 });
  symlinkSync(etcdctl, join(folder, 'etcdctl'));
}

function listensOn(folder: string): readonly string[] {
  if (!existsSync(join(folder, 'flags'))) return [];
  const flags = readFileSync(join(folder, 'flags'), 'utf8');
  return [...flags.matchAll(/^--listen-(?:client|peer)-urls=(\S+)$/gm)].map(([, url]) => url!);
}

/** As any user of the machine can ask. */
async function answersTo(url: string): Promise<boolean> {
  const request = https.get(`${url}/version`, { rejectUnauthorized: false, timeout: 10_000, agent: false });
  return once(request, 'response').then(
    () => true,
    () => false,
  );
}

// The trap: the store of an encrypted archive, hashes and keys, served on loopback to every user of the machine.
test('verify --deep lets nobody else into the etcd that it restores into', async () => {
  const folder = testPath('talkative-etcd');
  mkdirSync(folder);
  placeTalkativeEtcd(folder);
  const context = {
    ...silentContext(),
    env: { ETCD_BIN_DIR: folder, SENSU_FERRY_CACHE: folder, TMPDIR: folder },
  };
  const answers = new Map<string, boolean>();
  const prying = (view: FileView): FileView => ({
    ...view,
    async *entries(range) {
      for (const url of listensOn(folder)) answers.set(url, await answersTo(url));
      yield* view.entries(range);
    },
  });
  const verification = await verifyFile(context, recordedPath('kitchen-sink-6.12.0'), {
    deep: (own, view, ...rest) => deepVerify(own, prying(view), ...rest),
  });
  expect(layerOf(verification, 'restore').status).toBe('ok');
  expect([...answers.values()]).toEqual([false, false]);
  expect([...answers.keys()].filter((url) => !url.startsWith('https://127.0.0.1:'))).toEqual([]);
  // It lay in the folder for temporary files that the environment names, and is gone.
  expect(readdirSync(folder).sort()).toEqual(['etcd', 'etcdctl', 'flags']);
});
