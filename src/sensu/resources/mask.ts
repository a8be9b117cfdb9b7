import { isApiList, isApiObject, type ApiValue } from './api-value.js';

/** What stands in the place of a secret in reports. */
const masked = '(hidden)';

/** Names of fields that hold secrets, in core types and in commercial ones. */
const secretName =
  /pass(word|wd|phrase)?$|password|token|secret|(api|access|private|signing|encryption)_?key|dsn|credential|signature|license|authorization|^(pw|hash)$/i;

/** Fields whose name sounds like a secret, and whose value names one: `secrets: [{ name, secret }]` of core types. */
const references = /(^|\.)secrets(\.\d+)?\.(name|secret)$/;

/**
 * A value as it may be shown in a report: nothing under a name that sounds like a secret, no values of environment
 * variables or of HTTP headers, no password in a URL.
 * @param path Names joined by dots, such as `spec.env_vars`.
 * @param names Further names that hold secrets, as an entity's `redact` lists them.
 * @param mask What stands in the place of a secret.
 */
export function maskValue(
  path: string,
  value: ApiValue,
  names: ReadonlySet<string> = new Set(),
  mask: string = masked,
): ApiValue {
  if (value === null || typeof value === 'boolean') return value;
  if (isSecretPath(path, names)) return mask;
  const within = (name: string | number, inner: ApiValue): ApiValue =>
    maskValue(`${path}.${name}`, inner, names, mask);
  if (isApiList(value)) return value.map((item, index) => within(index, item));
  if (isApiObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, within(name, inner)]));
  }
  if (typeof value !== 'string') return value;
  if (/(^|\.)env_vars\.\d+$/.test(path)) return value.replace(/=.*$/s, `=${mask}`);
  return value.replace(/(\w+:\/\/[^\s/:@]*):[^\s/@]+@/g, `$1:${mask}@`);
}

function isSecretPath(path: string, names: ReadonlySet<string>): boolean {
  if (references.test(path)) return false;
  // A label's own name may have dots.
  const last = /(?:^|\.)(?:labels|annotations|headers)\.(.+)$/s.exec(path)?.[1] ?? path.replace(/^.*\./s, '');
  return (
    names.has(last) ||
    secretName.test(last) ||
    /(^|\.)headers\.[^.]+$/.test(path) ||
    /(^|\.)secrets?$/.test(path)
  );
}
