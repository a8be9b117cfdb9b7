import { FerryError, systemCode, type Failure } from '../core/errors.js';
import { answerTooLarge } from './s3-answer-limit.js';

/** What a failed request says of itself, whichever part of the SDK it came from. */
interface RequestFault {
  readonly name: string;
  readonly message: string;
  /** HTTP status; undefined when there was no answer. */
  readonly status: number | undefined;
  readonly attempts: number;
  /** Where the bucket is, when the answer tells. */
  readonly region: string | undefined;
}

export function requestFault(error: unknown): RequestFault {
  const { name, message } = error instanceof Error ? error : { name: 'unknown error', message: '' };
  const metadata = (error as { $metadata?: { httpStatusCode?: number; attempts?: number } } | null)
    ?.$metadata;
  return {
    ...{ name, message, status: metadata?.httpStatusCode, attempts: metadata?.attempts ?? 1 },
    region: regionIn(error, message),
  };
}

/** AWS tells it in a header of each answer, in an element of its document, or in words alone; so do others. */
function regionIn(error: unknown, message: string): string | undefined {
  const answer = error as {
    readonly Region?: unknown;
    readonly $response?: { readonly headers?: Readonly<Record<string, unknown>> };
  } | null;
  const told = [
    answer?.$response?.headers?.['x-amz-bucket-region'],
    answer?.Region,
    /expecting '([^']*)'/.exec(message)?.[1],
  ];
  return told.find((name): name is string => typeof name === 'string' && /^[\w-]{1,64}$/.test(name));
}

export function isNotFound(error: unknown): boolean {
  // Answers to HEAD have no body that says more.
  return ['NoSuchKey', 'NotFound'].includes(requestFault(error).name);
}

/** Any failure of a request as the program's own error. `location` is where to, such as `s3://backups/sensu`. */
export function asS3Error(error: unknown, location: string): unknown {
  if (error instanceof FerryError) return error;
  const fault = requestFault(error);
  const failure =
    ofAddress(fault) ??
    ofCredentials(fault) ??
    ofPlace(fault) ??
    ofConnection(error, fault) ??
    ofServer(fault);
  if (failure === undefined) return error;
  const { what, ...rest } = failure;
  return new FerryError({ ...rest, message: `${location} ${what}.`, cause: error });
}

type S3Failure = Omit<Failure, 'message' | 'cause'> & { readonly what: string };

/** Services that want the bucket in the host name say so with a name of their own each, and as if it were forbidden. */
function ofAddress({ name, message }: RequestFault): S3Failure | undefined {
  if (!/PathStyle|VirtualHost|SecondLevelDomain/i.test(name) && !/virtual[- ]host/i.test(message))
    return undefined;
  return {
    kind: 'usage',
    code: 'S3_PATH_REFUSED',
    what: `does not take the bucket in the path (${name}: ${inOneLine(message)})`,
    hint: 'Add --no-s3-path-style.',
  };
}

function ofCredentials({ name, status, message }: RequestFault): S3Failure | undefined {
  // Forbidden by its status, but not to these credentials alone.
  if (name === 'InvalidObjectState') {
    return {
      kind: 'source',
      code: 'S3_OBJECT_ARCHIVED',
      what: 'keeps this object in an archive tier, from which it cannot be read',
      hint: 'Restore the object into the bucket first, and keep the archive tier away from recent snapshots.',
    };
  }
  if (/\bSSO session\b|\bsso login\b/.test(message)) {
    return {
      kind: 'denied',
      code: 'S3_LOGIN_ENDED',
      what: 'cannot be used: the SSO session of the profile has ended, or was never begun',
      hint: 'Run aws sso login with that profile. For what runs at night, use credentials that need no login.',
    };
  }
  if (['CredentialsProviderError', 'TokenProviderError', 'ProviderError'].includes(name)) {
    return {
      kind: 'denied',
      code: 'S3_CREDENTIALS_MISSING',
      what: 'cannot be used: there are no credentials for it',
      hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE to a profile that has credentials.',
    };
  }
  if (name === 'RequestTimeTooSkewed') {
    return {
      kind: 'denied',
      code: 'S3_CLOCK_WRONG',
      what: "refuses requests because this machine's clock differs from its own",
      hint: 'Set the clock of this machine, by NTP for example.',
    };
  }
  if (
    /^(InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|TokenRefreshRequired)/.test(name)
  ) {
    return {
      kind: 'denied',
      code: 'S3_CREDENTIALS_REFUSED',
      what: `does not take the credentials (${name})`,
      hint: 'Check the access key and its secret, and that they belong to this service.',
    };
  }
  if (status !== 401 && status !== 403) return undefined;
  return {
    kind: 'denied',
    code: 'S3_ACCESS_DENIED',
    what: `may not be used so with these credentials (${denialOf(name, message)})`,
    hint: 'Allow s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload there.',
  };
}

/** A denial of another name is of a kind that only the server can explain. */
function denialOf(name: string, message: string): string {
  const usual = /^(AccessDenied|Forbidden|Unknown(Error)?|Error|\d+)$/.test(name);
  return usual ? 'access denied' : `${name}: ${inOneLine(message)}`;
}

function ofPlace(fault: RequestFault): S3Failure | undefined {
  const { name } = fault;
  if (name === 'NoSuchBucket' || name === 'InvalidBucketName') {
    return {
      kind: 'usage',
      code: 'S3_BUCKET_MISSING',
      what: 'cannot be used: there is no such bucket',
      hint: 'Check the name and --s3-endpoint, or create the bucket; this program makes none.',
    };
  }
  return ofRegion(fault);
}

const elsewhere = /^(PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException)$/;

function ofRegion({ name, status, message, region }: RequestFault): S3Failure | undefined {
  const failure = { kind: 'usage', code: 'S3_REGION_WRONG' } as const;
  if (message.startsWith('Region is missing')) {
    return {
      ...{ ...failure, code: 'S3_REGION_MISSING', what: 'cannot be used: no region is given' },
      hint: 'Give the region of the bucket with --s3-region, AWS_REGION or the profile.',
    };
  }
  // Answers to HEAD have no document that says more than the status.
  const unnamed =
    status === 400 && region !== undefined && /^(\d+|Unknown(Error)?|BadRequest|Error)$/.test(name);
  if (status !== 301 && !elsewhere.test(name) && !unnamed) return undefined;
  if (region === undefined) {
    return {
      ...{ ...failure, what: 'is in another region, or served elsewhere' },
      hint: 'Give the region of the bucket with --s3-region or AWS_REGION, and check --s3-endpoint.',
    };
  }
  return {
    ...{ ...failure, what: `is in the region ${region}, and was asked for in another` },
    hint: `Give --s3-region ${region}, or set AWS_REGION.`,
  };
}

function ofConnection(error: unknown, { name, status, message }: RequestFault): S3Failure | undefined {
  if (status !== undefined) return undefined;
  const code = systemCode(error) ?? '';
  if (/CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|ERR_(TLS|SSL)/.test(code)) {
    return {
      kind: 'unreachable',
      code: 'S3_NOT_TRUSTED',
      what: `cannot be reached safely: the server's certificate is not trusted (${code})`,
      hint: 'Name the CA of the server in AWS_CA_BUNDLE, and check the host name.',
    };
  }
  const timedOut = name === 'TimeoutError' || name === 'RequestTimeout';
  // EPROTO and HPE_... are what a server that speaks something else leads to.
  if (!timedOut && !/^E[A-Z]+$|^HPE_|^EAI_/.test(code)) return undefined;
  return {
    kind: 'unreachable',
    code: 'S3_UNREACHABLE',
    what: `cannot be reached (${timedOut ? 'no answer in time' : code || message})`,
    hint: 'Check --s3-endpoint and the network.',
  };
}

function ofServer({ name, status, message }: RequestFault): S3Failure | undefined {
  if (name === answerTooLarge) {
    return {
      kind: 'failed',
      code: 'S3_ANSWER_TOO_LARGE',
      what: 'does not answer as S3 does: an answer has no end',
      hint: 'Check --s3-endpoint, and look at the server.',
    };
  }
  if (status === undefined) return undefined;
  if (status === 501 || status === 405 || name === 'NotImplemented') {
    return {
      kind: 'failed',
      code: 'S3_NOT_SUPPORTED',
      what: `does not support a request (${name}, HTTP ${status}): ${inOneLine(message)}`,
      hint: 'See whether the server is compatible with S3.',
    };
  }
  if (status >= 500 || status === 429) {
    return {
      kind: 'unreachable',
      code: 'S3_UNREACHABLE',
      what: `does not answer as it should (${name}, HTTP ${status})`,
      hint: 'Try again later, and look at the server.',
    };
  }
  return {
    kind: 'failed',
    code: 'S3_FAILED',
    what: `refuses a request (${name}, HTTP ${status}): ${inOneLine(message)}`,
    hint: 'See whether the server is compatible with S3.',
  };
}

function inOneLine(message: string): string {
  return message.replace(/\s+/g, ' ').slice(0, 200).replace(/\.$/, '');
}
