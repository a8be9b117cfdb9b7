import { createHash } from 'node:crypto';

/** The last field of the file: the sha256 of the file itself, computed with these zeroes in its place. */
const unsealed = '0'.repeat(64);

/** Kept apart from the schema, whose library a save has no need to load. */
export function manifestBytes(manifest: object): Buffer {
  const text = `${JSON.stringify({ ...manifest, seal: unsealed }, null, 2)}\n`;
  const at = text.lastIndexOf(unsealed);
  return Buffer.from(`${text.slice(0, at)}${sealOf(text)}${text.slice(at + unsealed.length)}`);
}

function sealOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

export function isSealed(text: string, seal: string): boolean {
  const at = text.lastIndexOf(seal);
  return sealOf(`${text.slice(0, at)}${unsealed}${text.slice(at + seal.length)}`) === seal;
}
