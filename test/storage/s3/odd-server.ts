import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { listen, type Listening } from './doubles.js';

type Refusal =
  'refused with 400' | 'refused with 403' | 'refused with 405' | 'refused with 500' | 'refused with 501';

/** How a server differs from S3. What is not named is as it should be. */
export interface Oddities {
  /** What becomes of `If-None-Match`. */
  readonly conditions?: 'ignored' | Refusal;
  /** Pages of two objects, and what they say of the next one. */
  readonly pages?:
    | 'go on behind a key'
    | 'say nothing'
    | 'are all the first'
    | 'never end'
    | 'are one without end'
    | 'lack what was written'
    | 'are of all buckets'
    | 'are of the web'
    | 'are empty';
  readonly uploads?: 'listed without end' | 'without a name' | Refusal;
  /** What becomes of `Expect: 100-continue`. */
  readonly expectations?: 'refused';
  /** What becomes of `Range`. */
  readonly ranges?: 'ignored' | 'of other bytes' | 'without end';
  /** The default retention of a bucket wants them; some servers know none. */
  readonly digests?: 'wanted' | 'refused';
  /** The bucket in the host name, as the largest services of China want it. */
  readonly pathStyle?: 'refused';
}

export interface OddServer extends Listening {
  readonly env: Readonly<Record<string, string>>;
  readonly objects: ReadonlyMap<string, Buffer>;
}

/** Keeps objects in memory, and speaks as much of S3 as this program does. */
export async function oddServer(oddities: Oddities): Promise<OddServer> {
  const objects = new Map<string, Buffer>();
  const server = createServer((request, response) => {
    void answer({ objects, oddities, request, response });
  });
  if (oddities.expectations === 'refused') {
    server.on('checkContinue', (_request, response: ServerResponse) => response.writeHead(417).end());
  }
  const listening = await listen(server);
  const env = {
    AWS_ENDPOINT_URL: listening.endpoint,
    AWS_ACCESS_KEY_ID: 'test-access-key',
    AWS_SECRET_ACCESS_KEY: 'test-secret-key',
  };
  return { ...listening, env, objects };
}

interface Exchange {
  readonly objects: Map<string, Buffer>;
  readonly oddities: Oddities;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

async function answer(exchange: Exchange): Promise<void> {
  const { objects, oddities, request, response } = exchange;
  const body = await buffer(request);
  const url = new URL(request.url!, 'http://server');
  const key = decodeURIComponent(url.pathname);
  if (oddities.pathStyle === 'refused') {
    const words = 'Please use virtual hosted style to access.';
    fail(response, 403, 'SecondLevelDomainForbidden', words);
  } else if (url.searchParams.has('uploads') && request.method === 'GET') answerUploads(exchange);
  else if (request.method === 'POST') answerUpload(exchange, url);
  else if (request.method === 'PUT') answerPut(exchange, key, url, body);
  else if (request.method === 'DELETE') {
    objects.delete(key);
    response.writeHead(204).end();
  } else if (/^\/[^/]*\/?$/.test(key)) answerList(exchange, key.replace(/\/?$/, '/'), url);
  else answerGet(exchange, objects.get(key));
}

function fail(response: ServerResponse, status: number, code: string, words = ''): void {
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(`<Error><Code>${code}</Code><Message>${words}</Message></Error>`);
}

/** What a server says when it does not do what it was asked for. */
function refuse(response: ServerResponse, refusal: Refusal): void {
  const status = Number(/\d+/.exec(refusal)![0]);
  const names: Readonly<Record<number, string>> = {
    ...{ 403: 'AccessDenied', 405: 'MethodNotAllowed', 500: 'InternalError' },
  };
  fail(response, status, names[status] ?? 'NotImplemented');
}

const isRefusal = (oddity = ''): oddity is Refusal => oddity.startsWith('refused');

function answerUploads({ oddities: { uploads }, response }: Exchange): void {
  if (isRefusal(uploads)) {
    refuse(response, uploads);
    return;
  }
  const isTruncated = uploads === 'listed without end';
  response.end(
    `<ListMultipartUploadsResult><IsTruncated>${isTruncated}</IsTruncated></ListMultipartUploadsResult>`,
  );
}

function answerUpload({ oddities: { uploads }, response }: Exchange, url: URL): void {
  const id = uploads === 'without a name' ? '' : '<UploadId>u</UploadId>';
  response.end(
    url.searchParams.has('uploads')
      ? `<InitiateMultipartUploadResult>${id}</InitiateMultipartUploadResult>`
      : '<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>',
  );
}

function answerPut(
  { objects, oddities, request, response }: Exchange,
  key: string,
  url: URL,
  body: Buffer,
): void {
  const { conditions, digests } = oddities;
  const isConditional = request.headers['if-none-match'] !== undefined;
  const hasDigest = request.headers['content-md5'] !== undefined;
  if (isConditional && isRefusal(conditions)) {
    refuse(response, conditions);
    return;
  }
  if (digests === 'wanted' && !hasDigest) {
    fail(response, 400, 'InvalidRequest', 'Content-MD5 is required');
    return;
  }
  if (digests === 'refused' && hasDigest) {
    fail(response, 501, 'NotImplemented');
    return;
  }
  if (isConditional && conditions === undefined && objects.has(key)) {
    fail(response, 412, 'PreconditionFailed');
    return;
  }
  const part = url.searchParams.get('partNumber');
  objects.set(part === null ? key : `${key}?${part}`, body);
  response.writeHead(200, { etag: '"x"' }).end();
}

const strangePages: Readonly<Record<string, string>> = {
  'lack what was written': '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>',
  'are of all buckets': '<ListAllMyBucketsResult><Buckets></Buckets></ListAllMyBucketsResult>',
  'are of the web': '<!DOCTYPE html><html><head><meta charset="utf-8"></head></html>',
  'are empty': '',
};

function answerList({ objects, oddities: { pages }, response }: Exchange, bucket: string, url: URL): void {
  if (pages === 'are one without end') {
    writeForEver(response, '<?xml version="1.0"?><ListBucketResult>');
    return;
  }
  const strange = strangePages[pages ?? ''];
  if (strange !== undefined) {
    response.end(strange);
    return;
  }
  const start = pages === 'are all the first' ? '' : (url.searchParams.get('marker') ?? '');
  const keys = [...objects.keys()]
    .map((key) => key.slice(bucket.length))
    .filter((key) => key > start)
    .sort();
  const page = pages === undefined ? keys : keys.slice(0, 2);
  const contents = page.map((key) => {
    const facts = `<Key>${key}</Key><Size>${objects.get(bucket + key)!.length}</Size>`;
    return `<Contents>${facts}<LastModified>${new Date().toISOString()}</LastModified></Contents>`;
  });
  const isTruncated = pages === 'never end' || page.length < keys.length;
  const token = pages === 'never end' ? '<NextContinuationToken>x</NextContinuationToken>' : '';
  const said = pages === 'say nothing' ? [] : contents;
  response.writeHead(200, { 'content-type': 'application/xml' });
  response.end(
    `<ListBucketResult><IsTruncated>${isTruncated}</IsTruncated>${token}${said.join('')}</ListBucketResult>`,
  );
}

function answerGet({ oddities: { ranges }, request, response }: Exchange, found: Buffer | undefined): void {
  if (found === undefined || request.method === 'HEAD') {
    response.writeHead(found === undefined ? 404 : 200, { 'content-length': found?.length ?? 0 }).end();
    return;
  }
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  if (from === undefined || ranges === 'ignored') {
    response.writeHead(200, { 'content-length': found.length }).end(found);
    return;
  }
  const first = Number(from) + (ranges === 'of other bytes' ? 1 : 0);
  const part = found.subarray(first, to === '' ? found.length : Number(to) + 1);
  response.writeHead(206, { 'content-range': `bytes ${first}-${first + part.length - 1}/${found.length}` });
  if (ranges === 'without end') writeForEver(response, part);
  else response.end(part);
}

function writeForEver(response: ServerResponse, start: string | Buffer): void {
  response.write(start);
  const more = (): void => {
    while (!response.destroyed && response.write(Buffer.alloc(65_536, ' ')));
  };
  response.on('drain', more);
  more();
}
