import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What lies on the disk in files of a folder that have no name: the system shows what this process has open. */
export function namelessFilesIn(folder: string): Buffer[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => `/proc/self/fd/${fd}`)
    .filter((path) => targetOf(path).startsWith(`${folder}/`))
    .map((path) => readFileSync(path));
}

function targetOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // The descriptor that listed them is closed by now.
    return '';
  }
}
