import { createHash } from 'node:crypto';
import { formatBytes } from '../../core/units.js';

/** Under these prefixes the last part of a key is itself a secret: an API key, the id of a session. */
const secretNames = /^(\/sensu\.io\/(?:apikeys|user_sessions\/[^/]*)\/)(.+)$/s;

/** etcd takes keys of more than a megabyte; what is longer than this is shown by its beginning, size and hash. */
const longestShown = 200;

/**
 * A key as it may be shown. API keys and session ids are replaced by the beginning of their SHA-256, which
 * tells two of them apart and gives none away.
 */
export function showKey(key: Buffer): string {
  const text = escaped(key.toString('utf8')).replace(
    secretNames,
    (_all, prefix: string, secret: string) => `${prefix}(hidden, sha256 ${shortHash(secret)})`,
  );
  if (text.length <= longestShown) return text;
  return `${text.slice(0, longestShown)}... (${formatBytes(key.length)}, sha256 ${shortHash(key)})`;
}

/** JSON leaves alone what gives orders to a terminal from beyond ASCII, and what turns the direction of writing. */
function escaped(text: string): string {
  return JSON.stringify(text)
    .slice(1, -1)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

function shortHash(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex').slice(0, 12);
}

/** The first few of many keys, as they may be shown. */
export function showKeys(keys: readonly Buffer[], total = keys.length): string {
  const shown = keys.slice(0, 3).map(showKey);
  const rest = total - shown.length;
  return rest > 0 ? `${shown.join(', ')} and ${rest} more` : shown.join(', ');
}
