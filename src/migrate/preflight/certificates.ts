import { X509Certificate } from 'node:crypto';
import tls from 'node:tls';
import { isInClear } from '../../core/urls.js';
import type { TlsFiles } from '../../etcd/connect-options.js';
import { refusal, warning, type Finding } from '../findings.js';

const dayMs = 24 * 60 * 60 * 1000;
const soonDays = 30;

export interface CertificateWishes {
  readonly endpoints: readonly string[];
  readonly tls: TlsFiles;
  /** The CA that the backend trusted for its etcd until now, if it had one. */
  readonly backendCa: Buffer | undefined;
  readonly now: Date;
}

/** Dates of all certificates, the names in the servers' ones, and whether one CA serves both sides. */
export async function inspectCertificates(wishes: CertificateWishes): Promise<readonly Finding[]> {
  const secure = wishes.endpoints.filter((endpoint) => endpoint.startsWith('https:'));
  if (secure.length === 0) return withoutTls(wishes.endpoints);
  const servers = await Promise.all(secure.map((endpoint) => inspectServer(endpoint, wishes)));
  return [
    ...dates('The CA certificate of the target', wishes.tls.ca, wishes.now),
    ...dates('The client certificate', wishes.tls.cert, wishes.now),
    ...oneCa(wishes),
    ...servers.flat(),
  ];
}

function withoutTls(endpoints: readonly string[]): Finding[] {
  if (!endpoints.some(isInClear)) return [];
  return [
    warning(
      'TARGET_WITHOUT_TLS',
      'The target is reached without TLS: passwords and the whole store cross the network in clear.',
      'Give the external members certificates and use https URLs.',
    ),
  ];
}

function dates(what: string, pem: Buffer | undefined, now: Date): Finding[] {
  if (pem === undefined) return [];
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch {
    return [
      refusal(
        'CERTIFICATE_UNREADABLE',
        `${what} is not an X.509 certificate.`,
        'Give a PEM file with a certificate.',
      ),
    ];
  }
  return validity(what, new Date(certificate.validFrom), new Date(certificate.validTo), now);
}

function validity(what: string, from: Date, to: Date, now: Date): Finding[] {
  if (now < from) {
    return [
      refusal(
        'CERTIFICATE_NOT_YET_VALID',
        `${what} is valid only from ${from.toISOString()}.`,
        "Check this host's clock, or make a new certificate.",
      ),
    ];
  }
  if (now > to) {
    return [
      refusal('CERTIFICATE_EXPIRED', `${what} ended on ${to.toISOString()}.`, 'Make a new certificate.'),
    ];
  }
  const days = Math.floor((to.getTime() - now.getTime()) / dayMs);
  if (days >= soonDays) return [];
  return [
    warning('CERTIFICATE_ENDS_SOON', `${what} ends in ${days} days.`, 'Renew it before or soon after.'),
  ];
}

/** Sensu has one set of `etcd-*` TLS files for its client, and the guide wants one CA for etcd and backend. */
function oneCa(wishes: CertificateWishes): Finding[] {
  const { ca } = wishes.tls;
  if (wishes.backendCa === undefined || ca === undefined) return [];
  if (sameCertificates(wishes.backendCa, ca)) return [];
  return [
    warning(
      'CA_DIFFERS',
      'The CA of the target is not the one in etcd-trusted-ca-file of backend.yml, which is replaced.',
      'That is fine when the target and the client certificate come from the new CA; the guide asks for one CA for both.',
    ),
  ];
}

function sameCertificates(a: Buffer, b: Buffer): boolean {
  try {
    return new X509Certificate(a).fingerprint256 === new X509Certificate(b).fingerprint256;
  } catch {
    return false;
  }
}

async function inspectServer(endpoint: string, wishes: CertificateWishes): Promise<Finding[]> {
  const url = new URL(endpoint);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const certificate = await serverCertificate(host, Number(url.port || '2379'), wishes.tls);
  // What keeps the member from answering is a finding about the target already.
  if (certificate === undefined) return [];
  const what = `The server certificate of ${endpoint}`;
  return [
    ...validity(what, new Date(certificate.validFrom), new Date(certificate.validTo), wishes.now),
    ...names(what, certificate, host),
  ];
}

/** Go has looked at subject alternative names only since 1.15, which is Sensu 6.4. */
function names(what: string, certificate: X509Certificate, host: string): Finding[] {
  const matches =
    certificate.checkIP(host) !== undefined ||
    certificate.checkHost(host, { subject: 'never' }) !== undefined;
  if (matches) return [];
  return [
    refusal(
      'CERTIFICATE_NAME_MISSING',
      `${what} has no subject alternative name for ${host}.`,
      'Make a certificate with that name or address, or use a URL that it names.',
    ),
  ];
}

const handshakeTimeoutMs = 5000;

/** The certificate as the server shows it, trusted or not: trust is what `connect` has already tested. */
function serverCertificate(
  host: string,
  port: number,
  files: TlsFiles,
): Promise<X509Certificate | undefined> {
  return new Promise((resolve) => {
    const servername = /^[\d.]+$|:/.test(host) ? {} : { servername: host };
    const socket = tls.connect({ host, port, ...files, ...servername, rejectUnauthorized: false });
    const deadline = setTimeout(() => {
      finish(undefined);
    }, handshakeTimeoutMs);
    const finish = (certificate: X509Certificate | undefined): void => {
      clearTimeout(deadline);
      socket.destroy();
      resolve(certificate);
    };
    socket.once('secureConnect', () => {
      finish(socket.getPeerX509Certificate());
    });
    socket.once('error', () => {
      finish(undefined);
    });
  });
}
