import http from 'node:http';
import https from 'node:https';
import { FerryError, systemCode } from '../core/errors.js';

export interface ApiRequest {
  readonly url: URL;
  /** Held to be secret: it is in no error. */
  readonly authorization?: string;
  /** Certificates in PEM to trust instead of the system's. */
  readonly ca?: Buffer;
  /** For the whole exchange. */
  readonly timeoutMs: number;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body: string;
}

const bodyLimit = 1024 * 1024;

/**
 * One GET, redirections not followed: they would carry the key elsewhere. @throws FerryError API_UNREACHABLE,
 * API_TIMEOUT, API_CERTIFICATE_REFUSED (unreachable), API_ANSWER_UNUSABLE (failed)
 */
export async function get(request: ApiRequest): Promise<ApiAnswer> {
  const deadline = new AbortController();
  const timer = setTimeout(() => {
    deadline.abort();
  }, request.timeoutMs);
  try {
    const response = await send(request, deadline.signal);
    return { status: response.statusCode ?? 0, body: await readBody(response, request.url) };
  } catch (error) {
    if (error instanceof FerryError) throw error;
    throw deadline.signal.aborted ? timedOut(request) : unreachable(request.url, error);
  } finally {
    clearTimeout(timer);
  }
}

function send(request: ApiRequest, signal: AbortSignal): Promise<http.IncomingMessage> {
  const { url, ca, authorization } = request;
  const options = {
    signal,
    // A kept connection would outlive the backend that is being restarted.
    agent: false,
    headers: { accept: 'application/json', ...(authorization !== undefined && { authorization }) },
  };
  return new Promise((resolve, reject) => {
    const sent =
      url.protocol === 'https:'
        ? https.get(url, { ...options, ...(ca !== undefined && { ca }) })
        : http.get(url, options);
    sent.once('response', resolve).on('error', reject);
  });
}

async function readBody(response: http.IncomingMessage, url: URL): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.length;
    // Leaving the loop destroys the connection.
    if (length > bodyLimit) throw unusable(url, 'is longer than 1 MiB');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** An answer that no Sensu gives. */
export function unusable(url: URL, fault: string): FerryError {
  return new FerryError({
    kind: 'failed',
    code: 'API_ANSWER_UNUSABLE',
    message: `The answer of ${show(url)} ${fault}.`,
    hint: 'Check that the URL is that of the API of sensu-backend (port 8080), not of its web interface or a proxy.',
  });
}

/** The URL as it may be shown: without a password that someone wrote into it. */
export function show(url: URL): string {
  return `${url.origin}${url.pathname}`;
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
