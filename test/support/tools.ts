import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/** A program that only tests need: where `npm run tools` has put it, or on the PATH. */
export function findTool(name: string): string {
  const { SENSU_FERRY_CACHE, XDG_CACHE_HOME, PATH = '' } = process.env;
  const cache = SENSU_FERRY_CACHE || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'sensu-ferry');
  const found = [join(cache, 'tools'), ...PATH.split(delimiter)]
    .map((folder) => join(folder, name))
    .find(isProgram);
  // A test without its server fails: a skipped one would look like a passed one.
  if (found === undefined) throw new Error(`There is no ${name} here: run 'npm run tools'.`);
  return found;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
