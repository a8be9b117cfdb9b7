import type { StoreContents } from '../../at-rest/contents.js';
import type { Manifest } from '../archive/manifest.js';
import type { LayerRecord } from './layers.js';

/** What the manifest says of the content against what was counted and digested just now. */
export function compareWithManifest(contents: StoreContents, manifest: Manifest, layer: LayerRecord): void {
  const { content, etcd, sensu } = manifest;
  const pairs: readonly (readonly [what: string, said: unknown, found: unknown])[] = [
    ['the revision', etcd.revision, String(contents.revision)],
    ['the number of keys', content.keys, contents.keys],
    ['the bytes of keys and values', content.bytes, contents.bytes],
    ['the number of leases', content.leases, contents.leases],
    ['the digest of lasting keys', content.digest.lasting, contents.digest.lasting],
    ['the digest of ephemeral keys', content.digest.ephemeral, contents.digest.ephemeral],
    ["Sensu's cluster id", sensu.clusterId, contents.sensuClusterId ?? null],
    ["Sensu's database version", sensu.databaseVersion, contents.databaseVersion ?? null],
    ...prefixPairs(contents, content.prefixes),
  ];
  for (const [what, said, found] of pairs) {
    if (said !== found) layer.find(`${what} is ${String(found)}, but ${String(said)} in the manifest`);
  }
  const { lastingKeys, ephemeralKeys } = contents.digest;
  layer.counts = { lastingKeys, ephemeralKeys };
}

function prefixPairs(
  { prefixes }: StoreContents,
  said: Manifest['content']['prefixes'],
): [string, number | undefined, number | undefined][] {
  const found = new Map(prefixes.map(({ prefix, keys }) => [prefix, keys]));
  const expected = new Map(said.map(({ prefix, keys }) => [prefix, keys]));
  const all = new Set([...found.keys(), ...expected.keys()]);
  return [...all].map((prefix) => [
    `the number of keys under ${prefix}`,
    expected.get(prefix),
    found.get(prefix),
  ]);
}
