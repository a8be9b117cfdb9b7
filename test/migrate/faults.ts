import { fileURLToPath, pathToFileURL } from 'node:url';

/** See test/support/fs-faults.mjs. */
export interface Fault {
  /** A regular expression for lines such as `rename /etc/sensu/backend.yml`. */
  readonly at: string;
  /** The how manieth change that fits; default the first. */
  readonly nth?: number;
  readonly action: 'kill' | 'full' | 'defect' | 'none';
  /** A file that gets a line for each change. */
  readonly log?: string;
}

const preload = fileURLToPath(new URL('../support/fs-faults.mjs', import.meta.url));

/** The environment in which the program meets the fault. */
export function faultEnv(fault: Fault): Record<string, string> {
  return {
    NODE_OPTIONS: `--import=${pathToFileURL(preload).href}`,
    FERRY_FAULT: JSON.stringify(fault),
  };
}
