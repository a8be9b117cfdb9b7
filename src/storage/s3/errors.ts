import { formatAge } from '../../core/duration.js';
import { FerryError } from '../../core/errors.js';
import { answerTooLarge } from './answer-limit.js';
import { isUnnamed, requestFault, wordsOf, type RequestFault } from './fault.js';
import { ofAddress, orOtherStyle, type AskedBucket, type S3Failure } from './place-errors.js';

/** Any failure of a request as the program's own error. */
export function asS3Error(error: unknown, bucket: AskedBucket): unknown {
  if (error instanceof FerryError) return error;
  const fault = requestFault(error);
  const failure =
    ofAddress(fault, bucket) ??
    ofCredentials(error, fault) ??
    ofConnection(fault, bucket) ??
    ofCapacity(fault) ??
    ofServer(fault, bucket);
  if (failure === undefined) return error;
  const { what, ...rest } = failure;
  return new FerryError({ ...rest, message: `${bucket.location} ${what}.`, cause: error });
}

function ofCredentials(error: unknown, fault: RequestFault): S3Failure | undefined {
  const { name, status, serverTime } = fault;
  // Forbidden by its status, but not to these credentials alone.
  if (name === 'InvalidObjectState') {
    return {
      kind: 'source',
      code: 'S3_OBJECT_ARCHIVED',
      what: 'keeps this object in an archive tier, from which it cannot be read',
      hint: 'Restore the object into the bucket first, and keep the archive tier away from recent snapshots.',
    };
  }
  if (name === 'RequestTimeTooSkewed') {
    return {
      kind: 'denied',
      code: 'S3_CLOCK_WRONG',
      what: `refuses requests because this machine's clock ${differenceFrom(serverTime)}`,
      hint: 'Set the clock of this machine, by NTP for example.',
    };
  }
  if (/^(ExpiredToken|TokenRefreshRequired)/.test(name)) {
    return {
      kind: 'denied',
      code: 'S3_CREDENTIALS_REFUSED',
      what: `does not take the credentials: their session has expired (${wordsOf(fault)})`,
      hint: 'Get new ones. For what runs at night, use credentials that do not expire, or a role of the machine.',
    };
  }
  if (/^(InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken)/.test(name)) {
    return {
      kind: 'denied',
      code: 'S3_CREDENTIALS_REFUSED',
      what: `does not take the credentials (${name})`,
      hint: 'Check the access key and its secret, and that they belong to this service.',
    };
  }
  if (status !== 401 && status !== 403) return ofMissingCredentials(error, fault);
  return {
    kind: 'denied',
    code: 'S3_ACCESS_DENIED',
    what: `may not be used so with these credentials (${denialOf(fault)})`,
    hint: 'Allow s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload there.',
  };
}

function ofMissingCredentials(error: unknown, { name, status, message, code }: RequestFault) {
  if (/\bSSO session\b|\bsso login\b/.test(message)) {
    return {
      kind: 'denied',
      code: 'S3_LOGIN_ENDED',
      what: 'cannot be used: the SSO session of the profile has ended, or was never begun',
      hint: 'Run aws sso login with that profile. For what runs at night, use credentials that need no login.',
    } as const;
  }
  // One that AWS_WEB_IDENTITY_TOKEN_FILE names, for example.
  const { syscall, path } = error as NodeJS.ErrnoException;
  const isFile = status === undefined && (syscall === 'open' || syscall === 'read');
  if (!isFile && !['CredentialsProviderError', 'TokenProviderError', 'ProviderError'].includes(name)) {
    return undefined;
  }
  return {
    kind: 'denied',
    code: 'S3_CREDENTIALS_MISSING',
    what: isFile
      ? `cannot be used: the credentials file ${path ?? ''} cannot be read (${code})`
      : 'cannot be used: there are no credentials for it',
    hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE to a profile that has credentials.',
  } as const;
}

function differenceFrom(serverTime: Date | undefined): string {
  if (serverTime === undefined) return "differs from the server's";
  const ahead = Date.now() - serverTime.getTime();
  return `is ${formatAge(Math.abs(ahead))} ${ahead < 0 ? 'behind' : 'ahead of'} the server's`;
}

/** What only says that it is one, or is a page for people, needs no status. */
function denialOf(fault: RequestFault): string {
  const isUsual = fault.unreadable || isUnnamed(fault.name);
  return isUsual || /^access denied\.?$/i.test(fault.message) ? 'access denied' : wordsOf(fault);
}

function ofConnection(fault: RequestFault, bucket: AskedBucket): S3Failure | undefined {
  const { name, status, message, code } = fault;
  if (status !== undefined) return undefined;
  // A certificate or a name may be missing for the bucket's own host alone.
  const style = bucket.pathStyle ? '' : ` ${orOtherStyle(bucket)}`;
  if (/CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|ERR_(TLS|SSL)/.test(code)) {
    return {
      kind: 'unreachable',
      code: 'S3_NOT_TRUSTED',
      what: `cannot be reached safely: the server's certificate is not trusted (${code})`,
      hint: `Name the CA of the server in AWS_CA_BUNDLE, and check the host name.${code.includes('ALTNAME') ? style : ''}`,
    };
  }
  const timedOut = name === 'TimeoutError' || name === 'RequestTimeout';
  // EPROTO and HPE_... are what a server that speaks something else leads to.
  if (!timedOut && !/^E[A-Z]+$|^HPE_|^EAI_/.test(code)) return undefined;
  return {
    kind: 'unreachable',
    code: 'S3_UNREACHABLE',
    what: `cannot be reached (${code || (timedOut ? 'no answer in time' : message)})`,
    hint: `Check --s3-endpoint and the network.${code === 'ENOTFOUND' ? style : ''}`,
  };
}

/** No second try helps. */
function ofCapacity(fault: RequestFault): S3Failure | undefined {
  if (fault.status !== 507 && !/StorageFull|QuotaExceeded/.test(fault.name)) return undefined;
  return {
    kind: 'failed',
    code: 'S3_FULL',
    what: `has no room left (${wordsOf(fault)})`,
    hint: 'Free space there with sensu-ferry snapshot prune, or raise the quota.',
  };
}

function ofServer(fault: RequestFault, bucket: AskedBucket): S3Failure | undefined {
  const { name, status, unreadable } = fault;
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
      what: `does not support a request (${wordsOf(fault)})`,
      hint: 'See whether the server is compatible with S3.',
    };
  }
  if (status >= 500 || status === 429) {
    return {
      kind: 'unreachable',
      code: 'S3_UNREACHABLE',
      what: `does not answer as it should (${wordsOf(fault)})`,
      hint: 'Try again later, and look at the server.',
    };
  }
  if (unreadable)
    return { ...answersOtherwise(bucket), what: `does not answer as S3 does (${wordsOf(fault)})` };
  return {
    kind: 'failed',
    code: 'S3_FAILED',
    what: `refuses a request (${wordsOf(fault)})`,
    hint: 'See whether the server is compatible with S3.',
  };
}

/** A web console, a proxy, or a list of all buckets: an answer with a good status that S3 does not give. */
export function strangeAnswer(bucket: AskedBucket, fault: string): FerryError {
  return new FerryError({
    ...answersOtherwise(bucket),
    message: `${bucket.location} does not answer as S3 does: ${fault}.`,
  });
}

function answersOtherwise(bucket: AskedBucket) {
  return {
    kind: 'failed',
    code: 'S3_ANSWER_STRANGE',
    hint: `Check --s3-endpoint: it is the port of S3, and not that of a web console. ${orOtherStyle(bucket)}`,
  } as const;
}
