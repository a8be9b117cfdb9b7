import 'reflect-metadata';
import { X509Certificate, X509CertificateGenerator } from '@peculiar/x509';
import { webcrypto } from 'node:crypto';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createAuthority } from '../../src/etcd/throwaway/certificates.js';
import type { ConnectOptions } from '../../src/etcd/connect-options.js';
import { connect } from '../../src/etcd/connect.js';
import { freePorts } from '../../src/etcd/throwaway/free-ports.js';
import { readServerHttpFacts } from '../../src/etcd/transport/server-http.js';
import { enableAuth, etcdVersions, startEtcd } from '../support/etcd.js';

const key = Buffer.from('/sensu.io/key');

async function failureOf(options: ConnectOptions): Promise<unknown> {
  const client = await connect(options).catch((error: unknown) => error);
  if (client instanceof Error) return client;
  throw new Error('It connected.');
}

test('an http URL of a server with TLS', async () => {
  const etcd = await startEtcd({ tls: 'server', until: 'test' });
  const endpoints = [etcd.endpoint.replace('https', 'http')];
  expect(await failureOf({ endpoints })).toMatchObject({ kind: 'usage', code: 'ENDPOINT_SPEAKS_TLS' });
});

test.each(['a web server', 'a server of another kind'])('the URL of %s', async (kind) => {
  const web = kind === 'a web server';
  const server = web
    ? http.createServer((_request, response) => response.end('<html>'))
    : http2.createServer((_request, response) => {
        response.writeHead(404).end('none');
      });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as net.AddressInfo;
  expect(await failureOf({ endpoints: [`http://127.0.0.1:${port}`] })).toMatchObject({
    kind: 'unreachable',
    code: 'ENDPOINT_NOT_ETCD',
  });
});

// Such a server refuses the probing handshake, which must not pass for a server without TLS.
test('an http URL of a server that wants client certificates', async () => {
  const etcd = await startEtcd({ tls: 'client-cert', until: 'test' });
  const endpoints = [etcd.endpoint.replace('https', 'http')];
  expect(await failureOf({ endpoints })).toMatchObject({ kind: 'usage', code: 'ENDPOINT_SPEAKS_TLS' });
});

test('an https URL of a server without TLS', async () => {
  const etcd = await startEtcd({ until: 'test' });
  const endpoints = [etcd.endpoint.replace('http', 'https')];
  expect(await failureOf({ endpoints })).toMatchObject({ kind: 'usage', code: 'ENDPOINT_WITHOUT_TLS' });
});

test.each(etcdVersions)('no client certificate where etcd %s asks for one', async (version) => {
  const etcd = await startEtcd({ version, tls: 'client-cert', until: 'test' });
  const { ca } = etcd.tls!;
  expect(await failureOf({ endpoints: etcd.endpoints, tls: { ca: ca! } })).toMatchObject({
    kind: 'denied',
    code: 'CLIENT_CERTIFICATE_REFUSED',
  });
  const client = await etcd.connect();
  expect((await client.range({ start: key })).entries).toEqual([]);
});

test('a client certificate of another authority', async () => {
  const etcd = await startEtcd({ tls: 'client-cert', until: 'test' });
  const foreign = await (await createAuthority('another')).issueClient('client');
  expect(
    await failureOf({ endpoints: etcd.endpoints, tls: { ca: etcd.tls!.ca!, ...foreign } }),
  ).toMatchObject({ kind: 'denied', code: 'CLIENT_CERTIFICATE_REFUSED' });
});

test('a server certificate of another authority, and one that the system does not know', async () => {
  const etcd = await startEtcd({ tls: 'server', until: 'test' });
  const { ca } = await createAuthority('another');
  for (const tls of [{ ca }, {}]) {
    expect(await failureOf({ endpoints: etcd.endpoints, tls })).toMatchObject({
      kind: 'unreachable',
      code: 'CERTIFICATE_UNTRUSTED',
    });
  }
});

// OpenSSL wants a chain that ends in a root; Go, and so etcdctl and Sensu, trust what is in the file.
test('a CA file with the intermediate that signed the certificate', async () => {
  const etcd = await startEtcd({ tls: 'server', until: 'test' });
  const tls = { ca: await signedByRoot(etcd.authority!.ca) };
  expect(await readServerHttpFacts(etcd.endpoint, tls)).toBeDefined();
  const client = await etcd.connect({ tls });
  // Through etcd3, and not.
  await client.txn({ writes: [{ type: 'put', key, value: Buffer.from('x') }] });
  expect((await client.range({ start: key })).count).toBe(1n);
});

/** An authority's certificate as a root has signed it that nobody knows. */
async function signedByRoot(ca: Buffer): Promise<Buffer> {
  const own = new X509Certificate(ca);
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const root = await webcrypto.subtle.generateKey(algorithm, false, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.create({
    subject: own.subject,
    issuer: 'CN=root',
    publicKey: own.publicKey,
    signingKey: root.privateKey,
    signingAlgorithm: algorithm,
    extensions: own.extensions,
  });
  return Buffer.from(certificate.toString('pem'));
}

test('a server certificate without the name of the host', async () => {
  const etcd = await startEtcd({ tls: 'server', serverHosts: ['etcd-1.example'], until: 'test' });
  expect(await failureOf(etcd.connectOptions())).toMatchObject({ code: 'CERTIFICATE_NAME_MISSING' });
});

test('a server certificate that has expired', async () => {
  const etcd = await startEtcd({
    tls: 'server',
    serverNotAfter: new Date(Date.now() - 60_000),
    until: 'test',
  });
  expect(await failureOf(etcd.connectOptions())).toMatchObject({ code: 'CERTIFICATE_EXPIRED' });
});

test('a key that does not belong to the certificate', async () => {
  const etcd = await startEtcd({ tls: 'client-cert', until: 'test' });
  const { key: foreign } = await etcd.authority!.issueClient('somebody');
  expect(await failureOf(etcd.connectOptions({ tls: { ...etcd.tls!, key: foreign } }))).toMatchObject({
    kind: 'usage',
    code: 'TLS_FILES_UNUSABLE',
  });
});

test('a port that nobody listens on', async () => {
  const [port] = await freePorts(1);
  expect(await failureOf({ endpoints: [`http://127.0.0.1:${port!}`] })).toMatchObject({
    kind: 'unreachable',
    code: 'ENDPOINT_REFUSED',
  });
});

test('of several endpoints each is named with its own cause', async () => {
  const [first, second] = await freePorts(2);
  const [refusing, other] = [`http://127.0.0.1:${first!}`, `http://127.0.0.1:${second!}`];
  const failure = await failureOf({ endpoints: [refusing, other, 'http://nowhere.invalid:2379'] });
  expect(failure).toMatchObject({
    kind: 'unreachable',
    code: 'ENDPOINT_REFUSED',
    message: `None of the 3 endpoints can be used: ${refusing} refuses connections; ${other} refuses connections; http://nowhere.invalid:2379 has a host name that cannot be resolved.`,
    hint: 'Check the port, and that etcd is running. Check the name.',
  });
});

// etcd3 has a dial time-out in its options and never reads it.
test('a host that accepts and then keeps silent is given up within the deadline', async () => {
  const held: net.Socket[] = [];
  const server = net.createServer((socket) => held.push(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of held) socket.destroy();
    server.close();
  });
  const { port } = server.address() as net.AddressInfo;
  const began = performance.now();
  const failure = await failureOf({ endpoints: [`http://127.0.0.1:${port}`], deadlineMs: 1000 });
  expect(failure).toMatchObject({ kind: 'unreachable' });
  expect(performance.now() - began).toBeLessThan(6000);
});

// Each byte would put off a socket's own time-out.
test('a host that drips its handshake is given up within the deadline', async () => {
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined);
    // The head of a TLS record that is never complete.
    socket.write(Buffer.from([0x16, 0x03, 0x03, 0x40, 0x00]));
    const drip = setInterval(() => socket.write(Buffer.alloc(1)), 500);
    socket.on('close', () => {
      clearInterval(drip);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as net.AddressInfo;
  expect(await failureOf({ endpoints: [`https://127.0.0.1:${port}`] })).toMatchObject({
    code: 'ENDPOINT_TIMEOUT',
  });
});

test('a request that the only member does not answer ends with its deadline', async () => {
  const etcd = await startEtcd({ until: 'test' });
  const client = await etcd.connect({ deadlineMs: 1000 });
  etcd.members[0]!.suspend();
  await expect(client.range({ start: key })).rejects.toMatchObject({
    kind: 'unreachable',
    code: 'ETCD_TIMEOUT',
  });
});

test('one member that is away is no obstacle', async () => {
  const etcd = await startEtcd({ members: 3, until: 'test' });
  await etcd.members[0]!.kill();
  const client = await etcd.connect();
  expect((await client.range({ start: key })).entries).toEqual([]);
});

test('a cluster without a majority', async () => {
  const etcd = await startEtcd({ members: 3, until: 'test' });
  const client = await etcd.connect({ deadlineMs: 2000 });
  await Promise.all([etcd.members[0]!.kill(), etcd.members[1]!.kill()]);
  await expect(client.range({ start: key })).rejects.toMatchObject({ kind: 'unreachable' });
  const { endpoint } = etcd.members[2]!;
  await expect.poll(async () => (await client.status(endpoint)).leader, { timeout: 10_000 }).toBe(0n);
  await expect(client.txn({ writes: [{ type: 'put', key, value: Buffer.alloc(1) }] })).rejects.toMatchObject({
    kind: 'unreachable',
  });
  // A member that is down must not be blamed for what the one that is up cannot do.
  const late = await etcd.connect();
  await expect(late.range({ start: key })).rejects.toMatchObject({
    kind: 'unreachable',
    code: 'ETCD_NO_LEADER',
    message: `etcd has no leader: 1 of its 3 members answers (${endpoint}).`,
  });
});

const password = 'hunter2-root';

test.each(etcdVersions)('logins that etcd %s refuses never repeat the password', async (version) => {
  const etcd = await startEtcd({ version, until: 'test' });
  const root = { username: 'root', password };
  expect(await failureOf(etcd.connectOptions({ credentials: root }))).toMatchObject({
    kind: 'refused',
    code: 'ETCD_AUTH_OFF',
  });
  await enableAuth(etcd, password);
  for (const wrong of [
    { username: 'root', password: 'hunter2-wrong' },
    { username: 'nobody', password: 'hunter2-wrong' },
  ]) {
    const failure = await failureOf(etcd.connectOptions({ credentials: wrong }));
    expect(failure).toMatchObject({ kind: 'denied', code: 'ETCD_LOGIN_REFUSED' });
    const { cause, hint, message, stack } = failure as Error & { hint: string };
    expect(JSON.stringify([hint, message, stack, String(cause), cause])).not.toContain('hunter2');
  }
  const anonymous = await etcd.connect();
  await expect(anonymous.range({ start: key })).rejects.toMatchObject({
    kind: 'denied',
    code: 'ETCD_AUTH_REQUIRED',
  });
  const client = await etcd.connect({ credentials: root });
  expect((await client.range({ start: key })).entries).toEqual([]);
});

test('an aborted signal ends what is under way, and what follows', async () => {
  const etcd = await startEtcd({ until: 'test' });
  const abort = new AbortController();
  const client = await etcd.connect({ signal: abort.signal });
  etcd.members[0]!.suspend();
  const reading = client.range({ start: key });
  setTimeout(() => {
    abort.abort(new Error('interrupted'));
  }, 50);
  await expect(reading).rejects.toThrow('interrupted');
  etcd.members[0]!.resume();
  await expect(client.range({ start: key })).rejects.toThrow('interrupted');
});

// grpc-js takes the proxy of the environment for etcd, too; etcdctl does not.
test('a proxy of the environment is not asked for the way to etcd', async () => {
  const etcd = await startEtcd({ until: 'test' });
  const [closed] = await freePorts(1);
  vi.stubEnv('http_proxy', `http://127.0.0.1:${closed!}`);
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  const client = await etcd.connect();
  expect((await client.range({ start: key })).entries).toEqual([]);
});

test('an address of IPv6 is reached', async () => {
  const [port] = await freePorts(1);
  const endpoint = `http://[::1]:${port!}`;
  // The later of two flags alike counts.
  const etcd = await startEtcd({
    flags: [`--listen-client-urls=${endpoint}`, `--advertise-client-urls=${endpoint}`],
    until: 'test',
  });
  const client = await etcd.connect({ endpoints: [endpoint] });
  expect((await client.status(endpoint)).leader).not.toBe(0n);
});
