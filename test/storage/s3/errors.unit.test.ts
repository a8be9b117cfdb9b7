import { describe, expect, it } from 'vitest';
import { FerryError } from '../../../src/core/errors.js';
import { asS3Error } from '../../../src/storage/s3/errors.js';

function answer(name: string, httpStatusCode: number, message = 'Some words.'): Error {
  return Object.assign(new Error(message), { name, $metadata: { httpStatusCode, attempts: 1 } });
}

/** A page of the web, as the SDK tells of it. */
function unreadable(status: number): Error {
  const words =
    'XML parse error. Deserialization error: inspect the hidden field {error}.$response on this object.';
  return answer('Error', status, words);
}

function noAnswer(name: string, code?: string): Error {
  return Object.assign(new Error('Some words.'), {
    name,
    ...(code !== undefined && { code }),
    $metadata: { attempts: 5 },
  });
}

const bucket = { name: 'backups', location: 's3://backups/sensu', pathStyle: true };

describe('what services and the client say when a request fails', () => {
  it.each([
    [answer('NoSuchBucket', 404), 'usage', 'S3_BUCKET_MISSING'],
    [answer('AccessDenied', 403), 'denied', 'S3_ACCESS_DENIED'],
    [answer('Unknown', 403), 'denied', 'S3_ACCESS_DENIED'],
    [answer('VirtualHostDomainRequired', 403), 'usage', 'S3_PATH_REFUSED'],
    [answer('NotImplemented', 501), 'failed', 'S3_NOT_SUPPORTED'],
    [answer('NotImplemented', 400), 'failed', 'S3_NOT_SUPPORTED'],
    [answer('MethodNotAllowed', 405), 'failed', 'S3_NOT_SUPPORTED'],
    [answer('AllAccessDisabled', 401), 'denied', 'S3_ACCESS_DENIED'],
    [answer('InvalidAccessKeyId', 403), 'denied', 'S3_CREDENTIALS_REFUSED'],
    [answer('SignatureDoesNotMatch', 403), 'denied', 'S3_CREDENTIALS_REFUSED'],
    [answer('ExpiredToken', 400), 'denied', 'S3_CREDENTIALS_REFUSED'],
    [answer('RequestTimeTooSkewed', 403), 'denied', 'S3_CLOCK_WRONG'],
    [noAnswer('CredentialsProviderError'), 'denied', 'S3_CREDENTIALS_MISSING'],
    [answer('PermanentRedirect', 301), 'usage', 'S3_SERVED_ELSEWHERE'],
    [answer('TemporaryRedirect', 307), 'usage', 'S3_SERVED_ELSEWHERE'],
    [answer('InvalidBucketName', 400), 'usage', 'S3_BUCKET_NAME_REFUSED'],
    [answer('InvalidRegionName', 400), 'usage', 'S3_REGION_WRONG'],
    [answer('NoSuchKey', 404), 'usage', 'S3_BUCKET_MISSING'],
    [answer('NoSuchUpload', 404), 'failed', 'S3_FAILED'],
    [answer('XMinioStorageFull', 507), 'failed', 'S3_FULL'],
    [unreadable(200), 'failed', 'S3_ANSWER_STRANGE'],
    [unreadable(502), 'unreachable', 'S3_UNREACHABLE'],
    [
      Object.assign(noAnswer('Error', 'ENOENT'), { syscall: 'open', path: '/token' }),
      'denied',
      'S3_CREDENTIALS_MISSING',
    ],
    [answer('AuthorizationHeaderMalformed', 400), 'usage', 'S3_REGION_WRONG'],
    [Object.assign(new Error('Region is missing')), 'usage', 'S3_REGION_MISSING'],
    [answer('400', 400), 'failed', 'S3_FAILED'],
    [
      Object.assign(new Error('The SSO session associated with this profile has expired.'), {
        name: 'CredentialsProviderError',
      }),
      'denied',
      'S3_LOGIN_ENDED',
    ],
    [answer('InvalidObjectState', 403), 'source', 'S3_OBJECT_ARCHIVED'],
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
    const failure = asS3Error(error, bucket);
    expect(failure).toBeInstanceOf(FerryError);
    expect(failure).toMatchObject({ kind, code });
    expect((failure as FerryError).cause).toBe(error);
    expect((failure as FerryError).message).toMatch(/^s3:\/\/backups\/sensu .+[^.]\.$/);
  });

  it.each([
    // AWS, with the client of another region; the header is there whatever the document says.
    Object.assign(answer('PermanentRedirect', 301), {
      $response: { headers: { 'x-amz-bucket-region': 'eu-west-1' } },
    }),
    Object.assign(answer('AuthorizationHeaderMalformed', 400), { Region: 'eu-west-1' }),
    answer('AuthorizationHeaderMalformed', 400, "The region 'us-east-1' is wrong; expecting 'eu-west-1'"),
    // HEAD, which is answered without a document.
    ...['400', 'Unknown', 'UnknownError'].map((name) =>
      Object.assign(answer(name, 400), {
        $response: { headers: { 'x-amz-bucket-region': 'eu-west-1' } },
      }),
    ),
  ])('the region of the bucket is named when the answer tells it: %s', (error) => {
    expect(asS3Error(error, bucket)).toMatchObject({
      code: 'S3_REGION_WRONG',
      message: expect.stringContaining('eu-west-1') as string,
      hint: expect.stringContaining('--s3-region eu-west-1') as string,
    });
  });

  it.each([
    [
      'PermanentRedirect',
      301,
      { Endpoint: 'backups.s3.example.com' },
      /Some words\)/,
      'Add --no-s3-path-style.',
    ],
    [
      'Unknown',
      301,
      { $response: { headers: { location: 'https://s3.example.com/x?y' } } },
      /at https:\/\/s3\.example\.com \(HTTP 301/,
      'Check --s3-endpoint',
    ],
    ['InvalidBucketName', 400, {}, /Some words\)/, 'add --no-s3-path-style'],
    ['InvalidRegionName', 400, {}, /Some words\)/, '--s3-region'],
    ['ExpiredToken', 400, {}, /expired.*Some words\)/, 'Get new ones'],
    ['AccessDenied', 403, {}, /Some words\)/, 's3:ListBucket'],
    ['SlowDown', 503, {}, /\(SlowDown, HTTP 503: Some words\)/, 'later'],
  ])('%s, %i: the words of the server, and an option that helps', (name, status, facts, words, hint) => {
    expect(asS3Error(Object.assign(answer(name, status), facts), bucket)).toMatchObject({
      message: expect.stringMatching(words) as string,
      hint: expect.stringContaining(hint) as string,
    });
  });

  it('the option for the bucket in the path is named where it stands in the host name', () => {
    const inHost = { ...bucket, pathStyle: false };
    for (const error of [answer('InvalidBucketName', 400), noAnswer('Error', 'ENOTFOUND')]) {
      expect(asS3Error(error, inHost)).toMatchObject({
        hint: expect.stringContaining('add --s3-path-style') as string,
      });
    }
  });

  it('a clock that is wrong is told by how much', () => {
    const ServerTime = new Date(Date.now() + 3.5 * 3_600_000).toISOString();
    const error = Object.assign(answer('RequestTimeTooSkewed', 403), { ServerTime });
    expect(asS3Error(error, bucket)).toMatchObject({
      message: expect.stringContaining('is 3 h behind the server') as string,
    });
  });

  it('a denial that only the server can explain is told in its words', () => {
    const error = asS3Error(answer('UserSuspended', 403, 'The account owes\nmoney.'), bucket) as FerryError;
    expect(error).toMatchObject({ kind: 'denied', code: 'S3_ACCESS_DENIED' });
    expect(error.message).toContain('(UserSuspended, HTTP 403: The account owes money)');
  });

  it('what stands in the place of a region gives no orders to the terminal', () => {
    const error = Object.assign(answer('PermanentRedirect', 301), { Region: '\u001b[2J' });
    expect((asS3Error(error, bucket) as FerryError).message).not.toContain('\u001b');
  });

  it('a defect stays one', () => {
    const defect = new TypeError('x is not a function');
    expect(asS3Error(defect, bucket)).toBe(defect);
  });
});
