import { systemCode } from '../../core/errors.js';

/** What a failed request says of itself, whichever part of the SDK it came from. */
export interface RequestFault {
  readonly name: string;
  readonly message: string;
  /** HTTP status; undefined when there was no answer. */
  readonly status: number | undefined;
  /** The system's name for it, such as `ECONNREFUSED`; empty for any other fault. */
  readonly code: string;
  readonly attempts: number;
  /** Where the bucket is, when the answer tells. */
  readonly region: string | undefined;
  /** The host that an answer sends the client to, perhaps with a scheme. */
  readonly elsewhere: string | undefined;
  /** The server's clock, when the answer tells. */
  readonly serverTime: Date | undefined;
  /** Whether the answer was something other than a document of S3, such as a web page. */
  readonly unreadable: boolean;
}

/** What the SDK puts on an error; the elements of the server's document are among its properties. */
interface SdkError {
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, unknown>> };
  readonly Region?: unknown;
  readonly Endpoint?: unknown;
  readonly ServerTime?: unknown;
}

export function requestFault(error: unknown): RequestFault {
  const { name, message } = error instanceof Error ? error : { name: 'unknown error', message: '' };
  const answer = (error ?? {}) as SdkError;
  const metadata = answer.$metadata;
  return {
    ...{ name, message, status: metadata?.httpStatusCode, code: systemCode(error) ?? '' },
    attempts: metadata?.attempts ?? 1,
    region: regionIn(answer, message),
    elsewhere: elsewhereIn(answer),
    serverTime: timeIn(answer),
    unreadable: message.includes('Deserialization error'),
  };
}

export function isNotFound(error: unknown): boolean {
  // Answers to HEAD have no body that says more.
  return ['NoSuchKey', 'NotFound'].includes(requestFault(error).name);
}

/** What the server said, in its own words: its name for the fault, the status, and its sentence. */
export function wordsOf({ name, message, status, unreadable }: RequestFault): string {
  const words = isUnnamed(name) || unreadable ? [] : [name];
  if (status !== undefined) words.push(`HTTP ${status}`);
  const said = unreadable ? 'not a document of S3' : inOneLine(message);
  return isUnnamed(said) ? words.join(', ') : `${words.join(', ')}: ${said}`;
}

/** What the SDK calls a fault that the answer does not name, as those to HEAD, which have no document. */
export function isUnnamed(name: string): boolean {
  return /^(|Unknown(Error)?|BadRequest|Error|\d+)$/.test(name);
}

function inOneLine(message: string): string {
  return message.replace(/\s+/g, ' ').slice(0, 200).replace(/\.$/, '');
}

/** AWS tells it in a header of each answer, in an element of its document, or in words alone; so do others. */
function regionIn({ $response, Region }: SdkError, message: string): string | undefined {
  const told = [
    $response?.headers?.['x-amz-bucket-region'],
    Region,
    /expecting '([^']*)'/.exec(message)?.[1],
  ];
  return told.find((name): name is string => typeof name === 'string' && /^[\w-]{1,64}$/.test(name));
}

/** Servers of S3 name a host in their document, web servers before them a URL in a header. */
function elsewhereIn({ $response, Endpoint }: SdkError): string | undefined {
  if (typeof Endpoint === 'string' && /^[\w.:-]{1,253}$/.test(Endpoint)) return Endpoint;
  const target = $response?.headers?.['location'];
  if (typeof target !== 'string' || !URL.canParse(target)) return undefined;
  const { origin } = new URL(target);
  return origin === 'null' ? undefined : origin;
}

function timeIn({ $response, ServerTime }: SdkError): Date | undefined {
  const told = [ServerTime, $response?.headers?.['date']].filter((time) => typeof time === 'string');
  return told.map((time) => new Date(time)).find((time) => !Number.isNaN(time.getTime()));
}
