import type { Permission } from '../etcd/facets/auth.js';
import { prefixRange } from '../store/sensu-root.js';
import type { EtcdRange } from './ranges.js';

/** A range as etcdctl takes it on its command line, quoted for a shell where it must be. */
export function rangeWords(range: EtcdRange): string {
  if (range.end === undefined || range.end.length === 0) return quote(range.key);
  if (isAll(range)) return `--prefix=true ''`;
  if (range.end.equals(Buffer.from([0]))) return `--from-key ${quote(range.key)}`;
  if (isPrefix(range)) return `--prefix=true ${quote(range.key)}`;
  return `${quote(range.key)} ${quote(range.end)}`;
}

/** Access and range for a sentence, such as `readwrite --prefix=true /sensu.io/`. */
export function grantWords(permission: Permission): string {
  return `${permission.access} ${rangeWords(permission)}`;
}

/** The command that gives the permission to the role. */
export function grantCommand(role: string, permission: Permission): string {
  return `etcdctl role grant-permission ${nameWord(role)} ${grantWords(permission)}`;
}

/** The command that takes the range from the role. */
export function revokeCommand(role: string, range: EtcdRange): string {
  return `etcdctl role revoke-permission ${nameWord(role)} ${rangeWords(range)}`;
}

/** A name of a user or a role, quoted for a shell where it must be: whoever may make roles chooses it. */
export function nameWord(name: string): string {
  return quote(Buffer.from(name));
}

/** etcdctl writes an empty prefix, which is every key, as the range from `\0` to `\0`. */
function isAll(range: EtcdRange): boolean {
  const zero = Buffer.from([0]);
  return range.key.equals(zero) && range.end?.equals(zero) === true;
}

function isPrefix(range: EtcdRange): boolean {
  return prefixRange(range.key).end?.equals(range.end!) === true;
}

/** Bytes that are not printable ASCII are written as bash and zsh read them in `$'...'`. */
function quote(key: Buffer): string {
  const text = key.toString('latin1');
  if (/^[\w./:@%+=,-]+$/.test(text) && !text.startsWith('-')) return text;
  if (/^[\x20-\x7e]*$/.test(text) && !text.includes("'")) return `'${text}'`;
  const escaped = [...key].map((byte) =>
    byte >= 0x20 && byte < 0x7f && byte !== 0x27 && byte !== 0x5c
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).padStart(2, '0')}`,
  );
  return `$'${escaped.join('')}'`;
}
