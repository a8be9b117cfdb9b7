/** `simple`: known to the members alone, and only once they have applied the login. `jwt`: signed, good at once. */
export type TokenKind = 'simple' | 'jwt' | 'unknown';

/** What `--auth-token` of a member is, by the form of a token that it gave. */
export function tokenKindOf(token: string): TokenKind {
  if (/^[A-Za-z]{16}\.\d+$/.test(token)) return 'simple';
  const parts = token.split('.');
  return parts.length === 3 && isJson(Buffer.from(parts[0]!, 'base64url').toString()) ? 'jwt' : 'unknown';
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
