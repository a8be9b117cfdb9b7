import { formatBytes, formatCounted, formatDuration } from '../../core/units.js';
import type { SavedArchive } from '../../snapshot/save/save-archive.js';
import type { SavedSnapshot } from '../../snapshot/save/save-plan.js';

export function describeSaved(saved: SavedSnapshot): readonly string[] {
  return [saved.path, `  revision ${saved.revision}, ${fromWhere(saved)}`, `  ${howMuch(saved)}`];
}

export function describeArchive(saved: SavedArchive): readonly string[] {
  const { keys, leases } = saved.contents;
  const what = `${formatCounted(keys, 'key')}, ${formatCounted(leases, 'lease')}, revision ${saved.revision}`;
  return [saved.path, `  ${what}, ${fromWhere(saved)}`, `  ${howMuch(saved)}`];
}

function fromWhere({ source }: SavedSnapshot): string {
  return `from ${source.member.name} (${source.place})`;
}

function howMuch({ size, storedSize, milliseconds }: SavedSnapshot): string {
  const rate = formatBytes(size / (milliseconds / 1000));
  const stored = storedSize === size ? '' : `, ${formatBytes(storedSize)} stored`;
  return `${formatBytes(size)} in ${formatDuration(milliseconds)} (${rate}/s)${stored}, checked against its sha256`;
}

export function savedJson(saved: SavedSnapshot): object {
  const { path, source, revision, size, storedSize, sha256, milliseconds } = saved;
  const member = { name: source.member.name, endpoint: source.place };
  return { path, member, revision, size, storedSize, sha256, seconds: milliseconds / 1000 };
}

/** Counts and hashes alone: what is read of a store besides holds its API keys. */
export function contentJson({ contents }: SavedArchive): object {
  const { sensuClusterId, databaseVersion, keys, bytes, leases, prefixes, digest } = contents;
  return { sensuClusterId, databaseVersion, keys, bytes, leases, prefixes, digest };
}
