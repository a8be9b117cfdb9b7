import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import { readFile } from 'node:fs/promises';
import type { Environment } from '../core/context.js';
import { FerryError, systemCode } from '../core/errors.js';
import type { S3Options } from './open.js';

/** A server that says nothing for so long is taken for gone; the request is tried again. */
const silenceMs = 60_000;
const connectMs = 10_000;

/**
 * What the environment does not say (profiles, roles of the machine, a region) is looked up by the SDK in the
 * places where AWS's own tools look.
 */
export async function createS3Client(env: Environment, options: S3Options): Promise<S3Client> {
  const { S3Client } = await import('@aws-sdk/client-s3');
  const endpoint = options.endpoint ?? env['AWS_ENDPOINT_URL_S3'] ?? env['AWS_ENDPOINT_URL'];
  const region = options.region ?? env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'] ?? defaultRegion(endpoint);
  return new S3Client({
    ...(endpoint !== undefined && { endpoint: checkedEndpoint(endpoint) }),
    ...(region !== undefined && { region }),
    ...credentialsFrom(env),
    forcePathStyle: options.pathStyle ?? endpoint !== undefined,
    maxAttempts: 5,
    // Bodies are signed with their sha256 in any case; further checksums are refused by many servers of others.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: connectMs,
      socketTimeout: silenceMs,
      httpsAgent: await trustedBy(env),
    },
  });
}

/** Servers of one's own have one region, which most of them call this or do not look at. */
function defaultRegion(endpoint: string | undefined): string | undefined {
  return endpoint === undefined ? undefined : 'us-east-1';
}

function checkedEndpoint(endpoint: string): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if ((url?.protocol === 'https:' || url?.protocol === 'http:') && url.username === '') return endpoint;
  throw new FerryError({
    kind: 'usage',
    code: 'S3_ENDPOINT_UNUSABLE',
    message: 'The S3 endpoint is no URL of a server.',
    hint: 'Give it as https://host:port; credentials come from the environment or a profile.',
  });
}

function credentialsFrom(env: Environment): Pick<S3ClientConfig, 'credentials'> {
  const accessKeyId = env['AWS_ACCESS_KEY_ID'];
  const secretAccessKey = env['AWS_SECRET_ACCESS_KEY'];
  const sessionToken = env['AWS_SESSION_TOKEN'];
  if (!accessKeyId || !secretAccessKey || env['AWS_PROFILE']) return {};
  return { credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) } };
}

/** `AWS_CA_BUNDLE` is the AWS tools' variable, which this SDK leaves to its user; Node's own works besides. */
async function trustedBy(env: Environment): Promise<{ ca?: Buffer }> {
  const bundle = env['AWS_CA_BUNDLE'];
  if (!bundle) return {};
  try {
    return { ca: await readFile(bundle) };
  } catch (error) {
    throw new FerryError({
      kind: 'usage',
      code: 'CA_BUNDLE_UNREADABLE',
      message: `${bundle}, which AWS_CA_BUNDLE names, cannot be read (${systemCode(error) ?? 'unknown error'}).`,
      hint: 'Name a file with CA certificates in PEM, or unset the variable.',
      cause: error,
    });
  }
}
