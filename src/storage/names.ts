import { FerryError } from '../core/errors.js';

/** A storage is flat: a name with a slash, or one that means a folder, would lead out of it. */
export function refuseBadName(name: string): void {
  if (name !== '' && name !== '.' && name !== '..' && !/[/\\\0]/.test(name)) return;
  throw new FerryError({
    kind: 'usage',
    code: 'NAME_UNUSABLE',
    message: `${JSON.stringify(name)} cannot be the name of a file.`,
    hint: 'Use letters, digits, dots, dashes and underscores.',
  });
}

export function missingFile(location: string, name: string, cause?: unknown): FerryError {
  return new FerryError({
    kind: 'source',
    code: 'STORED_FILE_MISSING',
    message: `There is no ${name} in ${location}.`,
    hint: 'See what is there with sensu-ferry snapshot list.',
    cause,
  });
}

/** A part of a list looks like a place whose snapshots or locks are gone, and must not pass for the whole. */
export function listIncomplete(location: string, fault: string): FerryError {
  return new FerryError({
    kind: 'failed',
    code: 'S3_LIST_INCOMPLETE',
    message: `${location} is not listed whole: ${fault}.`,
    hint: 'The server is not compatible with S3, or lags behind. Give the snapshots a folder of their own there, prune it, and try again.',
  });
}

export function fileExists(location: string, name: string): FerryError {
  return new FerryError({
    kind: 'refused',
    code: 'FILE_EXISTS',
    message: `${name} is in ${location} already.`,
    hint: 'Move it away or choose another name; no file is overwritten.',
  });
}
