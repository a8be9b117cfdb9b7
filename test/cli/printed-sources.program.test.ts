import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, it, onTestFinished } from 'vitest';
import { writeCertifiedKey } from '../../src/etcd/throwaway/certificates.js';
import { takeLock } from '../../src/snapshot/keep/lock.js';
import { blockSize, entryHead } from '../../src/snapshot/archive/tar-head.js';
import { DirectoryStorage } from '../../src/storage/directory.js';
import { silentContext } from '../support/silent-context.js';
import { startEtcd, type RunningEtcd } from '../support/etcd.js';
import { ferry, fixture, testFolder } from '../support/ferry.js';
import { expectHarmless, hostile } from './hostile-words.js';

let etcd: RunningEtcd;

/** Keys, a resource, an etcd user and a role with hostile names. */
beforeAll(async () => {
  etcd = await startEtcd();
  const client = await etcd.connect();
  const check = { metadata: { name: hostile, namespace: hostile }, command: hostile };
  const stored: readonly (readonly [string, string])[] = [
    [`/sensu.io/checks/default/${hostile}`, JSON.stringify(check)],
    [`/sensu.io/${hostile}`, hostile],
    [`/sensu.io/users/${hostile}`, JSON.stringify({ username: hostile, groups: [hostile] })],
  ];
  for (const [key, value] of stored) {
    await client.txn({ writes: [{ type: 'put', key: Buffer.from(key), value: Buffer.from(value) }] });
  }
  await client.auth.addRole(hostile);
});

afterAll(() => etcd.stop());

/** Makes the source and returns the command line that meets it. */
type Source = (folder: string) => Promise<readonly string[]>;

async function saved(folder: string): Promise<string> {
  await ferry(['snapshot', 'save', '--endpoints', etcd.endpoint, '--to', folder]);
  return join(
    folder,
    (await readdir(folder)).find((name) => name.endsWith('.sferry'))!,
  );
}

async function fileWith(folder: string, name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content, { mode: 0o600 });
  return path;
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** An etcd whose every answer is an error. */
function hostileEtcd(): Promise<string> {
  const server = http2.createServer();
  const words = encodeURIComponent(hostile);
  server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    const status = { 'grpc-status': '2', 'grpc-message': words };
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...status }, { endStream: true });
  });
  return listening(server);
}

/** Sensu's API, or S3. */
function hostileServer(type: string, body: string): Promise<string> {
  const server = http.createServer((request, response) => {
    request.resume();
    response.writeHead(400, { 'content-type': type, connection: 'close' }).end(body);
  });
  return listening(server);
}

async function journal(folder: string): Promise<string> {
  const backendConfig = await fileWith(folder, 'backend.yml', `state-dir: ${JSON.stringify(hostile)}\n`);
  const commands = { stopCommand: hostile, startCommand: hostile, sensuPasswordFile: hostile };
  const settings = {
    ...{ backendConfig, envFile: hostile, endpoints: [hostile], tls: {}, sourceTls: {}, ...commands },
    ...{ profile: 'documented', enableAuth: false, startTimeoutSeconds: 1 },
  };
  const at = '2026-11-30T00:00:00Z';
  const events = [
    { type: 'begun', at, tool: hostile, settings, warnings: [hostile] },
    { type: 'started', at, step: 'snapshot' },
    { type: 'failed', at, step: 'snapshot', error: hostile },
  ];
  const run = join(folder, 'run');
  await mkdir(run);
  await fileWith(run, 'journal.ndjson', events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  return run;
}

const dumped = (name: string): string =>
  `type: CheckConfig\napi_version: core/v2\nmetadata: {name: ${JSON.stringify(name)}, namespace: default}\nspec: {}\n`;

const restoreConfig = async (folder: string, dump: string, api: string): Promise<readonly string[]> => {
  const key = await fileWith(folder, 'key', '3ab2ee1c-0d2b-4b12-a6b4-000000000000');
  return ['restore', 'config', '--from', dump, '--api-url', api, '--api-key-file', key, '--plan'];
};

const sources: Readonly<Record<string, Source>> = {
  'names in a snapshot, inspected': async (folder) => ['snapshot', 'inspect', await saved(folder)],
  'names in a snapshot, verified': async (folder) => ['snapshot', 'verify', await saved(folder)],
  'names in a snapshot, compared': async (folder) => [
    ...['snapshot', 'diff', fixture('cluster3-6.12.0/snapshot.db'), await saved(folder)],
  ],
  'names in a store, dumped': (folder) =>
    Promise.resolve(['dump', '--endpoints', etcd.endpoint, '--output', join(folder, hostile)]),
  'an archive in which a file has such a name': async (folder) => {
    const chunk = gzipSync('');
    // The reader names an entry where the rest of its last block is not empty.
    const entries = ['snapshot.db.gz.000000', hostile].flatMap((name, fill) => [
      ...[entryHead(name, chunk.length, new Date(0)), chunk],
      Buffer.alloc(blockSize - chunk.length, fill),
    ]);
    const path = join(folder, 'x.sferry');
    await writeFile(path, Buffer.concat(entries));
    return ['snapshot', 'inspect', path];
  },
  'the CN of a certificate': async (folder) => {
    const member = await startEtcd({ tls: 'client-cert', until: 'test' });
    const { cert, key } = await writeCertifiedKey(
      folder,
      'client',
      await member.authority!.issueClient(hostile),
    );
    const ca = await fileWith(folder, 'ca.crt', String(member.authority!.ca));
    const tls = ['--cacert', ca, '--cert', cert, '--key', key];
    return ['rbac', 'plan', '--endpoints', member.endpoint, ...tls, '--auth', 'certificate'];
  },
  'what etcd says': async (folder) => [
    ...['snapshot', 'save', '--endpoints', await hostileEtcd(), '--to', folder],
  ],
  "what Sensu's API says": async (folder) => {
    const api = await hostileServer('application/json', JSON.stringify({ code: 1, message: hostile }));
    return restoreConfig(folder, await fileWith(folder, 'dump.yml', dumped('check')), api);
  },
  'what S3 says': async () => [
    ...['snapshot', 'list', 's3://bucket/path', '--s3-region', 'eu-west-1', '--s3-endpoint'],
    await hostileServer('application/xml', `<Error><Code>Odd</Code><Message>${hostile}</Message></Error>`),
  ],
  'a dump with a resource twice': async (folder) =>
    restoreConfig(
      folder,
      await fileWith(folder, 'dump.yml', [dumped(hostile), dumped(hostile)].join('---\n')),
      'http://127.0.0.1:1',
    ),
  'the type in a dump': async (folder) =>
    restoreConfig(
      folder,
      await fileWith(folder, 'dump.yml', `type: ${JSON.stringify(hostile)}\nmetadata: {name: a}\n`),
      'http://127.0.0.1:1',
    ),
  'who holds a lock': async (folder) => {
    const lock = await takeLock(silentContext(), new DirectoryStorage(folder));
    onTestFinished(() => lock.release());
    const [name] = await readdir(folder);
    const holder = JSON.parse(await readFile(join(folder, name!), 'utf8')) as object;
    await fileWith(folder, name!, JSON.stringify({ ...holder, host: hostile }));
    return ['snapshot', 'save', '--endpoints', etcd.endpoint, '--to', folder];
  },
  'backend.yml': async (folder) => {
    const settings = { 'state-dir': hostile, 'etcd-advertise-client-urls': [`http://${hostile}`] };
    const config = await fileWith(folder, 'backend.yml', JSON.stringify(settings));
    const run = ['--run-dir', join(folder, 'run'), '--auth', 'none', '--plan'];
    return [
      ...[
        'migrate',
        'embedded-to-external',
        '--backend-config',
        config,
        '--endpoints',
        etcd.endpoint,
        ...run,
      ],
    ];
  },
  'a journal, looked at': async (folder) => ['migrate', 'status', '--run-dir', await journal(folder)],
  'a journal, resumed': async (folder) => ['migrate', 'resume', '--plan', '--run-dir', await journal(folder)],
  'a journal, undone': async (folder) => [
    'migrate',
    'rollback',
    '--plan',
    '--run-dir',
    await journal(folder),
  ],
};

describe('words of others arrive without their orders', () => {
  it.each(Object.entries(sources))('%s', async (_name, source) => {
    const words = await source(await testFolder());
    const env = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' };
    const [text, json] = await Promise.all([ferry(words, { env }), ferry([...words, '--json'], { env })]);
    expectHarmless(text);
    expectHarmless(json);
  });
});
