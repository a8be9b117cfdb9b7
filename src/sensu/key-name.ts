import { createHash } from 'node:crypto';

/** Under these prefixes the last part of a key is itself a secret: an API key, the id of a session. */
const secretNames = /^(\/sensu\.io\/(?:apikeys|user_sessions\/[^/]*)\/)(.+)$/s;

/**
 * A key as it may be shown. API keys and session ids are replaced by the beginning of their SHA-256, which
 * tells two of them apart and gives none away.
 */
export function showKey(key: Buffer): string {
  const text = JSON.stringify(key.toString('utf8')).slice(1, -1);
  return text.replace(
    secretNames,
    (_all, prefix: string, secret: string) =>
      `${prefix}(hidden, sha256 ${createHash('sha256').update(secret).digest('hex').slice(0, 12)})`,
  );
}

/** The first few of many keys, as they may be shown. */
export function showKeys(keys: readonly Buffer[], total = keys.length): string {
  const shown = keys.slice(0, 3).map(showKey);
  const rest = total - shown.length;
  return rest > 0 ? `${shown.join(', ')} and ${rest} more` : shown.join(', ');
}
