import { FerryError, type FailureKind } from '../../core/errors.js';
import { apiKeyHint } from '../keys/values.js';
import { isApiObject } from '../resources/api-value.js';
import { parseJson } from './json.js';

/** An answer that no Sensu gives. */
export function unusable(url: URL, fault: string): FerryError {
  return new FerryError({
    kind: 'failed',
    code: 'API_ANSWER_UNUSABLE',
    message: `The answer of ${show(url)} ${fault}.`,
    hint: 'Check that the URL is that of the API of sensu-backend (port 8080), not of its web interface or a proxy.',
  });
}

/**
 * Sensu has these paths whatever its release: where they are missing, the requests go elsewhere.
 * @param at The URL that was given, as it may be shown.
 */
export function noApiAt(at: string): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'API_NOT_THERE',
    message: `There is no API of Sensu at ${at} (HTTP status 404).`,
    hint: 'Give the URL of sensu-backend alone, such as https://sensu.example.com:8080; a path in it is for a proxy that wants one.',
  });
}

/** Each side of a connection takes the other's first bytes for nonsense when one of them alone speaks TLS. */
export function wrongScheme({ protocol, host }: URL): FerryError {
  const [given, right] = protocol === 'https:' ? ['https', 'http'] : ['http', 'https'];
  return new FerryError({
    kind: 'unreachable',
    code: 'API_SCHEME_WRONG',
    message: `${host} ${right === 'https' ? 'speaks TLS' : 'does not speak TLS'}, and the URL of the API begins with ${given}.`,
    hint: `Give it as ${right}://${host}.`,
  });
}

/** The URL as it may be shown: without a password that someone wrote into it, and without API keys. */
export function show(url: URL): string {
  return `${url.origin}${hideKeys(url.pathname)}`;
}

interface Meaning {
  readonly kind: FailureKind;
  readonly code: string;
  readonly what: string;
  readonly hint: string;
}

/** By status. A script tells them apart by the code. */
const meanings: Readonly<Record<number, Meaning>> = {
  400: {
    kind: 'refused',
    code: 'API_INVALID',
    what: 'calls what it was sent invalid',
    hint: 'Correct the resource; Sensu does not take it as it is.',
  },
  401: {
    kind: 'denied',
    code: 'API_DENIED',
    what: 'refused the credentials',
    hint: 'Check that the API key is in the store, and that its user is enabled; or the name and the password.',
  },
  402: {
    kind: 'denied',
    code: 'API_LICENCE_NEEDED',
    what: 'gives this to the holder of a licence only',
    hint: 'Ask for open types alone, or look at sensuctl license info.',
  },
  403: {
    kind: 'denied',
    code: 'API_FORBIDDEN',
    what: 'does not permit this to the user',
    hint: 'Use a user or API key whose roles allow it, such as one of the group cluster-admins.',
  },
  404: {
    kind: 'failed',
    code: 'API_NOT_FOUND',
    what: 'does not have this',
    hint: 'Check the name and the namespace, and that the release of Sensu has this type.',
  },
  405: {
    kind: 'refused',
    code: 'API_METHOD_REFUSED',
    what: 'does not take this method',
    hint: 'Sensu makes such a resource in another way only; an API key cannot be put back through the API.',
  },
  409: {
    kind: 'refused',
    code: 'API_CONFLICT',
    what: 'refuses to change this',
    hint: 'An entity that its agent manages is changed in the configuration of the agent.',
  },
};

const failed: Meaning = {
  kind: 'unreachable',
  code: 'API_FAILED',
  what: 'failed',
  hint: 'Look at the log of sensu-backend: often it cannot reach its etcd.',
};

const namespaceMissing: Meaning = {
  kind: 'refused',
  code: 'API_NAMESPACE_MISSING',
  what: 'does not have the namespace',
  hint: 'Create the namespace first.',
};

/** `api-request-limit`, 512,000 bytes unless it is set. Sensu's own answer has the status 500, a proxy's 413. */
const tooLarge: Meaning = {
  kind: 'refused',
  code: 'API_REQUEST_TOO_LARGE',
  what: 'takes no request as large as this',
  hint: 'Set api-request-limit in backend.yml to 1572864 for the while, which is the most that etcd takes.',
};

/** `max-silenced-expiry-time-allowed`, a day unless it is set. Sensu's own answer has the status 500. */
const silenceTooLong: Meaning = {
  kind: 'refused',
  code: 'API_SILENCE_TOO_LONG',
  what: 'takes no silence that is as long as this',
  hint: 'Set max-silenced-expiry-time-allowed in backend.yml to more, or give the silence an earlier end.',
};

/** The error for an answer that is no success. The words of Sensu are passed on, without keys in them. */
export function faultOf(url: URL, status: number, body: string): FerryError {
  if (status === 400 && wantsTls.test(body)) return wrongScheme(url);
  const said = readFault(body);
  const meaning = meaningOf(status, body, said);
  if (meaning === undefined) {
    return unusable(url, `${isWebPage(body) ? 'is a web page and ' : ''}has the HTTP status ${status}`);
  }
  const { kind, code, what, hint } = meaning;
  const words = said?.message === undefined ? '' : `: ${said.message}`;
  return new FerryError({
    kind,
    code,
    message: `${show(url)} ${what} (HTTP status ${status})${words}.`,
    hint,
  });
}

/** Go's servers, nginx and Apache. */
const wantsTls =
  /HTTP request to an HTTPS server|plain HTTP request was sent to HTTPS port|speaking plain HTTP to an SSL/;

interface SensuFault {
  /** Of the kinds of fault that Sensu tells apart. */
  readonly code: number;
  readonly message: string | undefined;
}

/** Sensu's number for a user who lacks permission. Some of its routes give it with the status 404. */
const permissionDenied = 4;

function meaningOf(status: number, body: string, said: SensuFault | undefined): Meaning | undefined {
  // Sensu has no status of its own for this: it answers 500, which to try again would not help.
  if (said?.message !== undefined && /namespace .*does not exist/.test(said.message)) return namespaceMissing;
  if (said?.message !== undefined && /silenced crossed maximum duration/.test(said.message))
    return silenceTooLong;
  if (status === 413 || body.startsWith('Request exceeded max length')) return tooLarge;
  if (status >= 500) return failed;
  if (said?.code === permissionDenied) return meanings[403];
  // Any server that is none of Sensu's has a page of its own for these.
  if (isWebPage(body) || ([400, 404].includes(status) && said === undefined)) return undefined;
  return meanings[status];
}

/** `{"message": ..., "code": ...}`; in some answers with capitals, and `error` instead of `message` in others. */
function readFault(body: string): SensuFault | undefined {
  const value = parseJson(body);
  if (!isApiObject(value)) return undefined;
  const code = value['code'] ?? value['Code'];
  const message = value['message'] ?? value['Message'] ?? value['error'];
  if (typeof code !== 'number') return undefined;
  return { code, message: typeof message === 'string' && message !== '' ? tidy(message) : undefined };
}

/** One line that an operator can read, whatever was in it. */
function tidy(message: string): string {
  const line = hideKeys(message.replace(/[\s\p{Cc}]+/gu, ' ').trim());
  return (line.length > 300 ? `${line.slice(0, 300)}…` : line).replace(/\.$/, '');
}

/** The name of an API key is the key itself: in a path, and in Sensu's words. */
function hideKeys(text: string): string {
  return text
    .replace(/(\/apikeys\/)([^/\s"']+)/g, (_all, start: string, key: string) => start + apiKeyHint(key))
    .replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi, apiKeyHint);
}

export function isWebPage(body: string): boolean {
  return /^\s*</.test(body);
}
