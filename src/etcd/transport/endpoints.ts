import { FerryError } from '../../core/errors.js';
import { maskPassword } from '../../core/urls.js';

/**
 * Checks client URLs and brings them into one form: `http://host:port` or `https://host:port`, port 2379 when
 * none is given, http when no scheme is; with passwords to be sent there, each must have its scheme. Order is kept,
 * doubles go.
 */
export function normalizeEndpoints(
  urls: readonly string[],
  { sendsPasswords = false } = {},
): readonly string[] {
  const bare = sendsPasswords ? urls.find((url) => !url.includes('://')) : undefined;
  const endpoints = [...new Set(urls.map(normalize))];
  if (bare !== undefined) throw schemeMissing(bare);
  if (endpoints.length === 0) throw unusable('', 'No etcd endpoint is given');
  const schemes = new Set(endpoints.map((endpoint) => endpoint.split(':')[0]));
  // Go's client takes the scheme of the first for all; etcd3 throws a bare error.
  if (schemes.size > 1) throw unusable(endpoints.join(' '), 'The endpoints mix http and https');
  return endpoints;
}

/** Name or address of a normalized endpoint, that of IPv6 without its brackets. */
export function hostOf(endpoint: string): string {
  return new URL(endpoint).hostname.replace(/^\[|\]$/g, '');
}

function normalize(text: string): string {
  if (/[,\s]/.test(text)) throw unusable(text, 'A list of URLs stands where one URL belongs');
  let url: URL;
  try {
    url = new URL(text.includes('://') ? text : `http://${text}`);
  } catch {
    throw unusable(text, 'This is not a URL');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw unusable(text, 'This is not an http or https URL');
  if (url.username !== '' || url.password !== '')
    throw unusable(url.host, 'User and password do not belong in a URL');
  if (!/^\/?$/.test(url.pathname) || url.search !== '' || url.hash !== '') {
    throw unusable(text, 'A client URL has nothing behind its port');
  }
  return `${url.protocol}//${url.hostname}:${portOf(url, text)}`;
}

/** The URL parser drops 80 and 443 as defaults of their schemes; etcd's default is another. */
function portOf(url: URL, text: string): string {
  if (url.port !== '') return url.port;
  const given = /:(80|443)\/?$/.exec(text)?.[1];
  return given ?? '2379';
}

function unusable(text: string, fault: string): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'ENDPOINT_UNUSABLE',
    message: text === '' ? `${fault}.` : `${fault}: ${maskPassword(text)}.`,
    hint: 'Give client URLs such as https://etcd-1:2379, several separated by commas.',
  });
}

function schemeMissing(url: string): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'ENDPOINT_WITHOUT_SCHEME',
    message: `A password is to be sent to ${url}, and the URL does not say whether with TLS.`,
    hint: `Write https://${url}, or http://${url} where it may cross the network in clear.`,
  });
}
