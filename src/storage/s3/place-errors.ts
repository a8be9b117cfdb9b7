import type { Failure } from '../../core/errors.js';
import { isUnnamed, wordsOf, type RequestFault } from './fault.js';

/** A bucket as it is asked for. */
export interface AskedBucket {
  readonly name: string;
  /** Such as `s3://backups/sensu`. */
  readonly location: string;
  /** The bucket in the path of the URL, instead of before the host name. */
  readonly pathStyle: boolean;
}

/** `what` follows the location, and ends without a full stop. */
export type S3Failure = Omit<Failure, 'message' | 'cause'> & { readonly what: string };

/** What is wrong with the address: the form of the URL, the name of the bucket, the region or the server. */
export function ofAddress(fault: RequestFault, bucket: AskedBucket): S3Failure | undefined {
  return ofRegion(fault) ?? ofStyle(fault, bucket) ?? ofRedirect(fault, bucket) ?? ofName(fault, bucket);
}

function otherStyle({ pathStyle }: AskedBucket): string {
  return pathStyle ? '--no-s3-path-style' : '--s3-path-style';
}

/** For a fault that may come from where the bucket stands in the URL. */
export function orOtherStyle(bucket: AskedBucket): string {
  const place = bucket.pathStyle ? 'host name' : 'path';
  return `If the server expects the bucket in the ${place}, add ${otherStyle(bucket)}.`;
}

/** Services that want the bucket in the host name say so with a name of their own each, and as if it were forbidden. */
function ofStyle(fault: RequestFault, bucket: AskedBucket): S3Failure | undefined {
  const { name, message, elsewhere } = fault;
  const isTold = /PathStyle|VirtualHost|SecondLevelDomain/i.test(name) || /virtual[- ]host/i.test(message);
  const isShown = isRedirect(fault) && bucket.pathStyle && hostOf(elsewhere).startsWith(`${bucket.name}.`);
  if (!isTold && !isShown) return undefined;
  return {
    kind: 'usage',
    code: 'S3_PATH_REFUSED',
    what: `does not take the bucket in the ${bucket.pathStyle ? 'path' : 'host name'} (${wordsOf(fault)})`,
    hint: `Add ${otherStyle(bucket)}.`,
  };
}

function isRedirect({ name, status = 0 }: RequestFault): boolean {
  return [301, 302, 303, 307, 308].includes(status) || /^(Permanent|Temporary)?Redirect$/.test(name);
}

const hostOf = (place = ''): string => place.replace(/^\w+:\/\//, '');

/** No redirect is followed: whoever runs backups at night should know where they go. */
function ofRedirect(fault: RequestFault, bucket: AskedBucket): S3Failure | undefined {
  if (!isRedirect(fault)) return undefined;
  const { elsewhere } = fault;
  return {
    kind: 'usage',
    code: 'S3_SERVED_ELSEWHERE',
    what: `is served elsewhere${elsewhere === undefined ? '' : `, at ${elsewhere}`} (${wordsOf(fault)})`,
    hint: `Check --s3-endpoint and --s3-region. ${orOtherStyle(bucket)}`,
  };
}

function ofName(fault: RequestFault, bucket: AskedBucket): S3Failure | undefined {
  const { name, status } = fault;
  if (name === 'InvalidBucketName') {
    return {
      kind: 'usage',
      code: 'S3_BUCKET_NAME_REFUSED',
      what: `cannot be used: the server does not take the bucket's name (${wordsOf(fault)})`,
      hint: `Check the name. ${orOtherStyle(bucket)}`,
    };
  }
  // An endpoint that names the bucket too makes of the bucket's name a key, which is not found.
  const isMissing = status === 404 && (name === 'NoSuchKey' || name === 'NotFound' || isUnnamed(name));
  if (name !== 'NoSuchBucket' && !isMissing) return undefined;
  return {
    kind: 'usage',
    code: 'S3_BUCKET_MISSING',
    what: `cannot be used: there is no such bucket${isMissing ? ` at this endpoint (${wordsOf(fault)})` : ''}`,
    hint: 'Check the name, and that --s3-endpoint names the server alone, or create the bucket; this program makes none.',
  };
}

const aboutRegion =
  /^(AuthorizationHeaderMalformed|IllegalLocationConstraintException|InvalidRegion(Name)?)$/;

function ofRegion(fault: RequestFault): S3Failure | undefined {
  const { name, status, message, region } = fault;
  const failure = { kind: 'usage', code: 'S3_REGION_WRONG' } as const;
  if (message.startsWith('Region is missing')) {
    return {
      ...{ ...failure, code: 'S3_REGION_MISSING', what: 'cannot be used: no region is given' },
      hint: 'Give the region of the bucket with --s3-region, AWS_REGION or the profile.',
    };
  }
  if (
    region !== undefined &&
    (isRedirect(fault) || aboutRegion.test(name) || (status === 400 && isUnnamed(name)))
  ) {
    return {
      ...{ ...failure, what: `is in the region ${region}, and was asked for in another` },
      hint: `Give --s3-region ${region}, or set AWS_REGION.`,
    };
  }
  if (!aboutRegion.test(name)) return undefined;
  return {
    ...{ ...failure, what: `was asked for in a region that the server does not take (${wordsOf(fault)})` },
    hint: 'Give the region of the bucket with --s3-region or AWS_REGION, and check --s3-endpoint.',
  };
}
