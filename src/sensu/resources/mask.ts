import { isApiObject, type ApiValue } from './api-value.js';

/** What stands in the place of a secret in reports. */
export const masked = '(hidden)';

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
 */
export function maskValue(path: string, value: ApiValue, names: ReadonlySet<string> = new Set()): ApiValue {
  if (value === null || typeof value === 'boolean') return value;
  if (isSecretPath(path, names)) return masked;
  if (Array.isArray(value)) {
    return (value as readonly ApiValue[]).map((item, index) => maskValue(`${path}.${index}`, item, names));
  }
  if (isApiObject(value)) {
    const entries = Object.entries(value);
    return Object.fromEntries(
      entries.map(([name, inner]) => [name, maskValue(`${path}.${name}`, inner, names)]),
    );
  }
  if (typeof value !== 'string') return value;
  if (/(^|\.)env_vars\.\d+$/.test(path)) return value.replace(/=.*$/s, `=${masked}`);
  return value.replace(/(\w+:\/\/[^\s/:@]*):[^\s/@]+@/g, `$1:${masked}@`);
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
