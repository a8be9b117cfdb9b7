import net from 'node:net';
import tls from 'node:tls';
import { FerryError, systemCode } from '../core/errors.js';
import { trustEachCertificate } from '../core/trust.js';
import type { TlsFiles } from './connect-options.js';
import { hostOf } from './transport/endpoints.js';

const timeoutMs = 4000;
/** A server that says nothing for so long after a handshake has not refused it. */
const quietMs = 1000;

/**
 * Tries to reach an endpoint below gRPC, whose errors do not tell a wrong CA from a closed port. Undefined
 * when all is well.
 */
export async function diagnose(endpoint: string, files: TlsFiles): Promise<FerryError | undefined> {
  const url = new URL(endpoint);
  const address = { host: hostOf(endpoint), port: Number(url.port) };
  const failure = url.protocol === 'https:' ? await trySecure(address, files) : await tryPlain(address);
  return failure === undefined ? undefined : explain(endpoint, failure);
}

interface Address {
  readonly host: string;
  readonly port: number;
}

/** A system or TLS error code, or one of our own. */
type Fault = string;

/** A TLS server is told from a plain one by a handshake that gets an answer. */
async function tryPlain(address: Address): Promise<Fault | undefined> {
  const fault = await connected(net.connect({ ...address }), 'connect');
  if (fault !== undefined) return fault;
  const handshake = await tryTls(address, {}, false, 500);
  // A server that wants a client certificate refuses the handshake, but in the words of TLS.
  return handshake === undefined || /ALERT|HANDSHAKE_FAILURE/.test(handshake) ? 'SPEAKS_TLS' : undefined;
}

async function trySecure(address: Address, files: TlsFiles): Promise<Fault | undefined> {
  const fault = await tryTls(address, files, true);
  // etcd without TLS hangs up on a handshake without a word, as a firewall might.
  return fault === 'ECONNRESET' && (await speaksPlainHttp2(address)) ? 'SPEAKS_PLAIN' : fault;
}

/** The greeting of HTTP/2, and an empty SETTINGS frame; the server's first frame is its SETTINGS, of type 4. */
const greeting = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);

function speaksPlainHttp2(address: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ ...address });
    const finish = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(quietMs, () => {
      finish(false);
    });
    socket.once('error', () => {
      finish(false);
    });
    socket.once('close', () => {
      finish(false);
    });
    socket.once('data', (frame) => {
      finish(frame[3] === 4);
    });
    socket.write(greeting);
  });
}

function tryTls(
  address: Address,
  files: TlsFiles,
  verify: boolean,
  timeout = timeoutMs,
): Promise<Fault | undefined> {
  const servername = net.isIP(address.host) === 0 ? { servername: address.host } : {};
  try {
    const socket = tls.connect({
      ...address,
      ...files,
      ...trustEachCertificate,
      ...servername,
      rejectUnauthorized: verify,
      ALPNProtocols: ['h2'],
    });
    return connected(socket, 'secureConnect', timeout);
  } catch (error) {
    // The key does not fit the certificate, or one of them is no PEM.
    return Promise.resolve(`CLIENT_FILES:${error instanceof Error ? error.message : ''}`);
  }
}

function connected(socket: net.Socket, event: string, timeout = timeoutMs): Promise<Fault | undefined> {
  return new Promise((resolve) => {
    // Not the socket's own time-out, which each byte of a server that drips would put off.
    const deadline = setTimeout(() => {
      finish('ETIMEDOUT');
    }, timeout);
    const finish = (fault: Fault | undefined): void => {
      clearTimeout(deadline);
      socket.destroy();
      resolve(fault);
    };
    socket.once('error', (error) => {
      finish(systemCode(error) ?? error.message);
    });
    socket.once('close', () => {
      finish('ECONNRESET');
    });
    socket.once(event, () => {
      // In TLS 1.3 a server refuses a missing client certificate only after the client thinks it is connected.
      // One that is content begins to speak HTTP/2 at once: what follows the handshake tells the two apart.
      if (socket instanceof tls.TLSSocket && socket.getProtocol() === 'TLSv1.3') {
        socket.once('data', () => {
          finish(undefined);
        });
        setTimeout(finish, quietMs, undefined).unref();
      } else {
        finish(undefined);
      }
    });
  });
}

type Explanation = readonly [pattern: RegExp, code: string, sentence: string, hint: string];

const explanations: readonly Explanation[] = [
  [/^SPEAKS_TLS$/, 'ENDPOINT_SPEAKS_TLS', 'speaks TLS, but the URL says http', 'Use https:// and --cacert.'],
  [
    /^SPEAKS_PLAIN$|WRONG_VERSION_NUMBER|EPROTO|PACKET_LENGTH_TOO_LONG/,
    'ENDPOINT_WITHOUT_TLS',
    'does not speak TLS, but the URL says https',
    'Use http://, or start that member with --cert-file and --key-file.',
  ],
  [/CERT_HAS_EXPIRED/, 'CERTIFICATE_EXPIRED', 'shows a certificate that has expired', 'Renew it.'],
  [
    /CERT_NOT_YET_VALID/,
    'CERTIFICATE_NOT_YET_VALID',
    'shows a certificate that is not valid yet',
    "Check this host's clock.",
  ],
  [
    /ALTNAME_INVALID/,
    'CERTIFICATE_NAME_MISSING',
    'shows a certificate that does not name this host',
    'Use a name or address that the certificate has among its subject alternative names.',
  ],
  [
    /UNABLE_TO|SELF_SIGNED|DEPTH_ZERO|CERT_SIGNATURE/,
    'CERTIFICATE_UNTRUSTED',
    'shows a certificate of another CA',
    'Give the CA that signed it with --cacert.',
  ],
  [
    /CERTIFICATE_REQUIRED|BAD_CERTIFICATE|HANDSHAKE_FAILURE|UNKNOWN_CA|CERTIFICATE_UNKNOWN/,
    'CLIENT_CERTIFICATE_REFUSED',
    'refuses the client certificate, or asks for one',
    'Give --cert and --key of a certificate that the CA of etcd has signed for client authentication.',
  ],
  [
    /^CLIENT_FILES:/,
    'TLS_FILES_UNUSABLE',
    'cannot be dialled with these TLS files: they are damaged or do not belong together',
    'Check --cacert, --cert and --key.',
  ],
  [/ECONNREFUSED/, 'ENDPOINT_REFUSED', 'refuses connections', 'Check the port, and that etcd is running.'],
  [/ENOTFOUND|EAI_AGAIN/, 'HOST_UNKNOWN', 'has a host name that cannot be resolved', 'Check the name.'],
  [
    /ETIMEDOUT|EHOSTUNREACH|ENETUNREACH/,
    'ENDPOINT_TIMEOUT',
    'does not answer',
    'Check the address and firewalls.',
  ],
];

const denied = new Set(['CLIENT_CERTIFICATE_REFUSED']);
const usage = new Set(['ENDPOINT_SPEAKS_TLS', 'ENDPOINT_WITHOUT_TLS', 'TLS_FILES_UNUSABLE']);

function explain(endpoint: string, fault: Fault): FerryError {
  const [, code, sentence, hint] = explanations.find(([pattern]) => pattern.test(fault)) ?? [
    undefined,
    'ENDPOINT_FAILED',
    `cannot be reached (${fault})`,
    'Check the URL and the network.',
  ];
  return new FerryError({
    kind: denied.has(code) ? 'denied' : usage.has(code) ? 'usage' : 'unreachable',
    code,
    message: `${endpoint} ${sentence}.`,
    hint,
  });
}
