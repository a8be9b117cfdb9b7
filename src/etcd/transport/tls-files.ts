import { FerryError, systemCode } from '../../core/errors.js';
import { readFileOrPipe } from '../../core/file-or-pipe.js';
import { refuseTextForPath } from '../../core/secret-file.js';
import { largestPem } from '../../core/trust.js';
import type { TlsFiles } from '../connect-options.js';

export interface TlsPaths {
  readonly cacert?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** Reads the PEM files that `--cacert`, `--cert` and `--key` name. Whether they fit together, the handshake shows. */
export async function readTlsFiles(paths: TlsPaths): Promise<TlsFiles> {
  if ((paths.cert === undefined) !== (paths.key === undefined)) {
    throw new FerryError({
      kind: 'usage',
      code: 'CLIENT_CERTIFICATE_INCOMPLETE',
      message: 'A client certificate and its key go together, but only one of them is given.',
      hint: 'Give both --cert and --key, or neither.',
    });
  }
  const key = paths.key === undefined ? undefined : await readPem(paths.key, '--key');
  if (key?.includes('ENCRYPTED')) throw keyEncrypted(paths.key!);
  return {
    ...(paths.cacert !== undefined && { ca: await readCertificates(paths.cacert, '--cacert') }),
    ...(paths.cert !== undefined && { cert: await readCertificates(paths.cert, '--cert') }),
    ...(key && { key }),
  };
}

function keyEncrypted(path: string): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'TLS_KEY_ENCRYPTED',
    message: `The file of --key, ${path}, holds an encrypted key, which neither this program nor etcdctl or Sensu can use.`,
    hint: `Write the key without a passphrase into a file that only its owner can read: (umask 077; openssl pkey -in ${path} -out client.key).`,
  });
}

/** With a key in their place, the server's certificate would be said to be of another CA. */
async function readCertificates(path: string, option: string): Promise<Buffer> {
  const content = await readPem(path, option);
  if (!/-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----/.test(content.toString('latin1'))) {
    throw notPem(path, option, 'holds no certificate');
  }
  return content;
}

/** A PEM file that an option names. @throws FerryError TLS_FILE_UNUSABLE (`usage`) */
export async function readPem(path: string, option: string): Promise<Buffer> {
  refuseTextForPath(
    path,
    'TLS_FILE_UNUSABLE',
    `${option} takes the path of a PEM file, not the text of one.`,
  );
  let content: Buffer;
  try {
    content = await readFileOrPipe(path, largestPem);
  } catch (error) {
    throw notPem(path, option, `cannot be read (${systemCode(error) ?? 'unknown error'})`);
  }
  if (!content.includes('-----BEGIN ')) throw notPem(path, option, 'is not a PEM file');
  return content;
}

function notPem(path: string, option: string, fault: string): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'TLS_FILE_UNUSABLE',
    message: `The file of ${option}, ${path}, ${fault}.`,
    hint: 'Give the path of a PEM file, such as the server itself is started with.',
  });
}
