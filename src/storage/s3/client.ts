import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import type { Environment } from '../../core/context.js';
import { largestPem, trustEachCertificate } from '../../core/trust.js';
import { FerryError, systemCode } from '../../core/errors.js';
import { readFileOrPipe } from '../../core/file-or-pipe.js';
import { limitAnswers } from './answer-limit.js';

/** Where an S3 service is, as far as the environment does not say it. */
export interface S3Options {
  /** Such as `https://minio.example.com:9000`; `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`. */
  readonly endpoint?: string;
  /** `AWS_REGION`, `AWS_DEFAULT_REGION`. */
  readonly region?: string;
  /** The bucket in the path instead of the host's name. Default: with an endpoint of one's own. */
  readonly pathStyle?: boolean;
}

/** A server that says nothing for so long is taken for gone; the request is tried again. */
const silenceMs = 60_000;
const connectMs = 10_000;

/**
 * What the environment does not say (profiles, roles of the machine) is looked up by the SDK in the places where
 * AWS's own tools look.
 */
export async function createS3Client(env: Environment, options: S3Options): Promise<S3Client> {
  const { S3Client } = await import('@aws-sdk/client-s3');
  const { endpoint, region } = await findService(env, options, new S3Client({}).config);
  const client = new S3Client({
    ...(endpoint !== undefined && { endpoint: checkedEndpoint(endpoint) }),
    ...(region !== undefined && { region }),
    ...credentialsFrom(env),
    forcePathStyle: options.pathStyle ?? endpoint !== undefined,
    maxAttempts: 5,
    // Some servers refuse a request to wait for their leave, others never give it.
    expectContinueHeader: false,
    // Bodies are signed with their sha256 in any case; further checksums are refused by many servers of others.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: connectMs,
      socketTimeout: silenceMs,
      httpsAgent: await trustedBy(env),
    },
  });
  limitAnswers(client);
  return client;
}

interface Service {
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
}

/**
 * Options first, then variables, then the profile. A variable that is set to nothing is not set. The profile is asked
 * here: the SDK would take its endpoint too, but with the bucket in the host name, which no server of one's own
 * answers to. Where there is an endpoint and no region, it is the one that most such servers call theirs.
 */
async function findService(
  env: Environment,
  options: S3Options,
  profile: Pick<S3Client['config'], 'region' | 'serviceConfiguredEndpoint'>,
): Promise<Service> {
  const endpoint =
    options.endpoint ??
    (env['AWS_ENDPOINT_URL_S3'] || env['AWS_ENDPOINT_URL'] || (await profile.serviceConfiguredEndpoint?.()));
  const region =
    options.region ??
    (env['AWS_REGION'] || env['AWS_DEFAULT_REGION'] || (await profile.region().catch(() => undefined)));
  const usual = endpoint === undefined ? undefined : 'us-east-1';
  return { endpoint, region: region || usual };
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
async function trustedBy(env: Environment): Promise<{ ca?: Buffer; allowPartialTrustChain?: boolean }> {
  const bundle = env['AWS_CA_BUNDLE'];
  if (!bundle) return {};
  try {
    return { ca: await readFileOrPipe(bundle, largestPem), ...trustEachCertificate };
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
