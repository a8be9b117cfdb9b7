import { FerryError } from '../../core/errors.js';

/** @throws FerryError API_URL_UNUSABLE (`usage`) */
export function parseApiUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') {
    refuseApiPath(url);
    return url;
  }
  throw new FerryError({
    kind: 'usage',
    code: 'API_URL_UNUSABLE',
    // Not repeated: it may hold a password.
    message: 'The URL of the API is no http or https URL.',
    hint: 'Give one such as http://127.0.0.1:8080.',
  });
}

/** As copied from a command with curl: the paths of the API are put behind the URL, and would be there twice. */
function refuseApiPath({ origin, pathname }: URL): void {
  const at = pathname.search(/\/api\/(core|enterprise)(\/|$)/);
  if (at === -1) return;
  throw new FerryError({
    kind: 'usage',
    code: 'API_URL_UNUSABLE',
    message: `The URL of the API has a path of the API itself in it, ${pathname.slice(at)}.`,
    hint: `Give ${origin}${pathname.slice(0, at)} alone.`,
  });
}

/** The API may lie behind a path. */
export function targetOf(base: URL, path: string): URL {
  return new URL(base.pathname.replace(/\/$/, '') + path, base);
}

/** A header takes no other characters. @throws FerryError API_KEY_UNUSABLE (`usage`) */
export function checkApiKey(apiKey: string): void {
  if (/^[\x21-\x7e]+$/.test(apiKey)) return;
  throw new FerryError({
    kind: 'usage',
    code: 'API_KEY_UNUSABLE',
    message: 'The API key is empty, or holds blanks or characters that no key has.',
    hint: 'Give a file that holds the key alone.',
  });
}
