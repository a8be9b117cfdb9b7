import http from 'node:http';
import https from 'node:https';
import { trustEachCertificate } from '../../core/trust.js';
import { FerryError, systemCode } from '../../core/errors.js';
import { show, unusable, wrongScheme } from './faults.js';

export interface ApiRequest {
  readonly method?: 'GET' | 'POST' | 'PUT';
  readonly url: URL;
  /** Held to be secret: it is in no error. */
  readonly authorization?: string;
  /** JSON. */
  readonly body?: string;
  /** Certificates in PEM to trust instead of the system's. */
  readonly ca?: Buffer;
  /** For the whole exchange. */
  readonly timeoutMs: number;
  /** How long an answer may be; default 1 MiB. */
  readonly bodyLimit?: number;
  /** Ends the exchange with its reason. */
  readonly signal?: AbortSignal;
  /** Keeps connections for the next request. Default: each has its own, as the backend is being restarted. */
  readonly agent?: http.Agent;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

const mebibyte = 1024 * 1024;

/**
 * One request and its answer, redirections not followed: they would carry the key elsewhere. @throws FerryError
 * API_UNREACHABLE, API_TIMEOUT, API_CERTIFICATE_REFUSED (unreachable), API_ANSWER_UNUSABLE (failed)
 */
export async function exchange(request: ApiRequest): Promise<ApiAnswer> {
  const deadline = new AbortController();
  const timer = setTimeout(() => {
    deadline.abort();
  }, request.timeoutMs);
  const signals = [deadline.signal, ...(request.signal ? [request.signal] : [])];
  try {
    const response = await send(request, AbortSignal.any(signals));
    const { statusCode: status = 0, headers } = response;
    return { status, headers, body: await readBody(response, request) };
  } catch (error) {
    request.signal?.throwIfAborted();
    if (error instanceof FerryError) throw error;
    throw deadline.signal.aborted ? timedOut(request) : unreachable(request.url, error);
  } finally {
    clearTimeout(timer);
  }
}

/** For many requests to one server: a handshake for each would cost more than most of them. */
export function keepConnections({ protocol }: URL): http.Agent {
  return protocol === 'https:' ? new https.Agent({ keepAlive: true }) : new http.Agent({ keepAlive: true });
}

function send(request: ApiRequest, signal: AbortSignal): Promise<http.IncomingMessage> {
  const { method = 'GET', url, ca, authorization, body, agent = false } = request;
  const options = {
    method,
    signal,
    agent,
    headers: {
      accept: 'application/json',
      ...(authorization !== undefined && { authorization }),
      ...(body !== undefined && {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
      }),
    },
  };
  return new Promise((resolve, reject) => {
    const sent =
      url.protocol === 'https:'
        ? https.request(url, { ...options, ...(ca !== undefined && { ca, ...trustEachCertificate }) })
        : http.request(url, options);
    sent.once('response', resolve).on('error', reject);
    sent.end(body);
  });
}

async function readBody(
  response: http.IncomingMessage,
  { url, bodyLimit = mebibyte }: ApiRequest,
): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.length;
    // Leaving the loop destroys the connection.
    if (length > bodyLimit) throw unusable(url, `is longer than ${bodyLimit / mebibyte} MiB`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function timedOut({ url, timeoutMs }: ApiRequest): FerryError {
  return new FerryError({
    kind: 'unreachable',
    code: 'API_TIMEOUT',
    message: `${show(url)} did not answer in full within ${timeoutMs / 1000} s.`,
    hint: 'Check that the backend is up, and that no firewall is between.',
  });
}

function unreachable(url: URL, error: unknown): FerryError {
  const code = systemCode(error);
  if (code !== undefined && isAboutCertificates(code)) return untrusted(url, code);
  if (code === 'EPROTO' || code === 'ERR_SSL_WRONG_VERSION_NUMBER') return wrongScheme(url);
  const what =
    code === 'ECONNRESET' ? 'cut the connection short' : `cannot be reached (${code ?? 'no reason given'})`;
  return new FerryError({
    kind: 'unreachable',
    code: 'API_UNREACHABLE',
    message: `${show(url)} ${what}.`,
    hint: 'Check the URL, http or https, and that the backend is up.',
    cause: error,
  });
}

function isAboutCertificates(code: string): boolean {
  return /CERT|^UNABLE_TO|SELF_SIGNED|^ERR_TLS_/.test(code);
}

function untrusted(url: URL, code: string): FerryError {
  return new FerryError({
    kind: 'unreachable',
    code: 'API_CERTIFICATE_REFUSED',
    message: `The certificate of ${url.origin} is not trusted (${code}).`,
    hint: 'Give the CA that signed it, and a host name that is in the certificate.',
  });
}
