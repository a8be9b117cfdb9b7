import { describe, expect, it } from 'vitest';
import { FerryError } from '../../src/core/errors.js';
import { asS3Error } from '../../src/storage/s3-errors.js';

function answer(name: string, httpStatusCode: number, message = 'Some words.'): Error {
  return Object.assign(new Error(message), { name, $metadata: { httpStatusCode, attempts: 1 } });
}

function noAnswer(name: string, code?: string): Error {
  return Object.assign(new Error('Some words.'), {
    name,
    ...(code !== undefined && { code }),
    $metadata: { attempts: 5 },
  });
}

const location = 's3://backups/sensu';

describe('what services and the client say when a request fails', () => {
  it.each([
    [answer('NoSuchBucket', 404), 'usage', 'S3_BUCKET_MISSING'],
    [answer('AccessDenied', 403), 'denied', 'S3_ACCESS_DENIED'],
    [answer('Unknown', 403), 'denied', 'S3_ACCESS_DENIED'],
    [answer('AllAccessDisabled', 401), 'denied', 'S3_ACCESS_DENIED'],
    [answer('InvalidAccessKeyId', 403), 'denied', 'S3_CREDENTIALS_REFUSED'],
    [answer('SignatureDoesNotMatch', 403), 'denied', 'S3_CREDENTIALS_REFUSED'],
    [answer('ExpiredToken', 400), 'denied', 'S3_CREDENTIALS_REFUSED'],
    [answer('RequestTimeTooSkewed', 403), 'denied', 'S3_CLOCK_WRONG'],
    [noAnswer('CredentialsProviderError'), 'denied', 'S3_CREDENTIALS_MISSING'],
    [answer('PermanentRedirect', 301), 'usage', 'S3_REGION_WRONG'],
    [answer('AuthorizationHeaderMalformed', 400), 'usage', 'S3_REGION_WRONG'],
    [Object.assign(new Error('Region is missing')), 'usage', 'S3_REGION_WRONG'],
    [answer('SlowDown', 503), 'unreachable', 'S3_UNREACHABLE'],
    [answer('InternalError', 500), 'unreachable', 'S3_UNREACHABLE'],
    [answer('TooManyRequests', 429), 'unreachable', 'S3_UNREACHABLE'],
    [noAnswer('TimeoutError'), 'unreachable', 'S3_UNREACHABLE'],
    [noAnswer('Error', 'ECONNREFUSED'), 'unreachable', 'S3_UNREACHABLE'],
    [noAnswer('Error', 'ENOTFOUND'), 'unreachable', 'S3_UNREACHABLE'],
    [noAnswer('Error', 'EAI_AGAIN'), 'unreachable', 'S3_UNREACHABLE'],
    [noAnswer('Error', 'HPE_INVALID_CONSTANT'), 'unreachable', 'S3_UNREACHABLE'],
    [noAnswer('Error', 'DEPTH_ZERO_SELF_SIGNED_CERT'), 'unreachable', 'S3_NOT_TRUSTED'],
    [noAnswer('Error', 'ERR_TLS_CERT_ALTNAME_INVALID'), 'unreachable', 'S3_NOT_TRUSTED'],
    [answer('MalformedXML', 400), 'failed', 'S3_FAILED'],
  ])('%s is %s, %s', (error, kind, code) => {
    const failure = asS3Error(error, location);
    expect(failure).toBeInstanceOf(FerryError);
    expect(failure).toMatchObject({ kind, code });
    expect((failure as FerryError).cause).toBe(error);
    expect((failure as FerryError).message).toMatch(/^s3:\/\/backups\/sensu .+[^.]\.$/);
  });

  it('a defect stays one', () => {
    const defect = new TypeError('x is not a function');
    expect(asS3Error(defect, location)).toBe(defect);
  });
});
