import { readFileSync } from 'node:fs';

export function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
}

/** For manifests and journals, such as `sensu-ferry 0.1.0`. */
export const toolName = (): string => `sensu-ferry ${readVersion()}`;
