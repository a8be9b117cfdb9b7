import { X509Certificate } from 'node:crypto';
import { FerryError } from '../core/errors.js';
import type { TlsFiles } from './connect-options.js';
import { diagnose } from './diagnose.js';
import { normalizeEndpoints } from './transport/endpoints.js';

/**
 * The name that etcd takes for the user of a connection without a token: the CN of the first certificate in the file,
 * the last one should it have several, as Go reads them. Undefined without a certificate or a CN.
 * @throws FerryError `usage` for what is not a certificate
 */
export function commonNameOf({ cert }: Pick<TlsFiles, 'cert'>): string | undefined {
  if (cert === undefined) return undefined;
  const names: string | string[] | undefined = subjectOf(cert).CN;
  return Array.isArray(names) ? names.at(-1) : names;
}

function subjectOf(pem: Buffer): { readonly CN?: string | string[] } {
  try {
    return new X509Certificate(pem).toLegacyObject().subject;
  } catch (error) {
    throw new FerryError({
      kind: 'usage',
      code: 'CERTIFICATE_UNREADABLE',
      message: 'The client certificate is not an X.509 certificate.',
      hint: 'Give --cert a PEM file with a certificate.',
      cause: error,
    });
  }
}

/** Whether a member lets in a connection without a client certificate. `unknown`: it cannot be reached that way. */
export type CertificateDemand = 'required' | 'not-required' | 'unknown';

/** Tried by connecting without one: etcd with `--client-cert-auth` refuses the handshake. */
export async function certificateDemandOf(endpoint: string, tls: TlsFiles): Promise<CertificateDemand> {
  const [url] = normalizeEndpoints([endpoint]);
  const fault = await diagnose(url!, tls.ca === undefined ? {} : { ca: tls.ca });
  if (fault === undefined) return 'not-required';
  return fault.code === 'CLIENT_CERTIFICATE_REFUSED' ? 'required' : 'unknown';
}

/**
 * etcd refuses a connection without a session in the name of the CN, which nobody typed: says so. From 3.5.30 on the
 * status is refused to a CN that is not a user as if a user asked for were missing.
 */
export function refusedByName(error: unknown, tls: TlsFiles): unknown {
  if (!(error instanceof FerryError)) return error;
  const isUnknown = error.code === 'ETCD_USER_NOT_FOUND';
  if (!isUnknown && error.code !== 'ETCD_PERMISSION_DENIED') return error;
  const name = commonNameOf(tls);
  if (name === undefined) return error;
  return new FerryError({
    kind: 'denied',
    code: 'ETCD_PERMISSION_DENIED',
    message: `${error.message.replace(/\.$/, '')}: without --user it takes the CN of the client certificate, ${name}, for the user.`,
    hint: 'Add --user and --password-file, or give the certificate of a user with the grant.',
    cause: error,
  });
}
