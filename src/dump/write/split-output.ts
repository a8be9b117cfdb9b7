import { lstat, mkdir, open, readdir, realpath, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { FerryError, systemCode } from '../../core/errors.js';
import { makeFolder, refuseFileOnTheWayTo } from '../../core/folder.js';
import { refuseTaken, syncDirectory } from '../../core/part-file.js';
import { resourceKinds } from '../../sensu/resources/kinds.js';
import type { Framing } from '../framing.js';
import type { ResourceName } from '../loss-report.js';
import type { DumpOutput } from './output.js';

export interface SplitOptions {
  readonly framing: Framing;
  /** Of the files, such as `.yml`. */
  readonly ending: string;
  /** Whether a folder that holds a dump already gets this one instead; else it is refused. */
  readonly replace: boolean;
}

/**
 * A folder with one file a namespace and kind: `namespaces/<namespace>/<kind>.yml`, and `cluster/<kind>.yml` for
 * what lies in none. It is written beside its place, and takes it when it is whole.
 */
export class SplitOutput implements DumpOutput {
  readonly isOut = false;
  readonly #folder: string;
  readonly #options: SplitOptions;
  /** How many documents each file holds. */
  readonly #written = new Map<string, number>();
  #file: FileHandle | undefined;
  #path = '';
  #pending: string[] = [];
  #length = 0;

  private constructor(folder: string, options: SplitOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  /**
   * @param path Of the folder, which is made where it is missing. A link in the place of it is followed, one within is
   *   not.
   * @throws FerryError CANNOT_WRITE (`failed`), and as `check`
   */
  static async create(path: string, options: SplitOptions): Promise<SplitOutput> {
    const folder = await SplitOutput.check(path, options);
    await makeFolder(dirname(folder));
    try {
      await mkdir(`${folder}.part`, { mode: 0o700 });
    } catch (error) {
      throw cannotWrite(`${folder}.part`, error);
    }
    return new SplitOutput(folder, options);
  }

  /**
   * Before a source is read that takes its time. @returns The folder, links followed.
   * @throws FerryError FILE_EXISTS, LINK_IN_FOLDER (`refused`), FOLDER_UNUSABLE (`usage`)
   */
  static async check(path: string, { replace }: Pick<SplitOptions, 'replace'>): Promise<string> {
    await refuseFileOnTheWayTo(resolve(path));
    const folder = await followed(path);
    if (!replace && (await namesIn(folder)).length > 0) throw isThere(folder);
    await refuseLinks(folder, [join('namespaces', 'x'), join('cluster', 'x')]);
    return folder;
  }

  async write(document: string, { type, namespace }: ResourceName): Promise<void> {
    const path = this.#pathOf(type, namespace);
    if (path !== this.#path) await this.#open(path);
    const { head, separator } = this.#options.framing;
    const count = this.#written.get(path) ?? 0;
    this.#written.set(path, count + 1);
    this.#pending.push(count === 0 ? head : separator, document);
    this.#length += document.length;
    if (this.#length > 256 * 1024) await this.#flush();
  }

  async finish(): Promise<void> {
    for (const [path, count] of this.#written) await this.#end(path, count);
    await this.#place();
  }

  async abandon(): Promise<void> {
    await this.#file?.close().catch(() => undefined);
    await rm(`${this.#folder}.part`, { recursive: true, force: true });
  }

  #pathOf(type: string, namespace: string): string {
    const kind = resourceKinds.find((candidate) => candidate.type === type)?.shortName ?? safeName(type);
    const folder = namespace === '' ? 'cluster' : join('namespaces', safeName(namespace));
    return join(folder, `${kind}${this.#options.ending}`);
  }

  /** Commercial types may share a kind's name and come back to a file. */
  async #open(path: string): Promise<void> {
    await this.#close();
    const full = join(`${this.#folder}.part`, path);
    try {
      await mkdir(dirname(full), { recursive: true, mode: 0o700 });
      this.#file = await open(full, 'a', 0o600);
    } catch (error) {
      throw cannotWrite(full, error);
    }
    this.#path = path;
  }

  async #flush(): Promise<void> {
    const text = this.#pending.join('');
    this.#pending = [];
    this.#length = 0;
    try {
      if (text !== '') await this.#file?.appendFile(text);
    } catch (error) {
      throw cannotWrite(this.#path, error);
    }
  }

  async #close(): Promise<void> {
    await this.#flush();
    await this.#file?.close();
    this.#file = undefined;
  }

  async #end(path: string, documents: number): Promise<void> {
    await this.#open(path);
    this.#pending.push(this.#options.framing.end(documents));
    await this.#flush();
    await this.#file?.sync();
    await this.#close();
  }

  /** A folder that is there is kept, with whatever else lies in it, such as Git's own: files take their places. */
  async #place(): Promise<void> {
    const part = `${this.#folder}.part`;
    try {
      if ((await namesIn(this.#folder)).length === 0) {
        await rm(this.#folder, { recursive: true, force: true });
        await rename(part, this.#folder);
      } else {
        await this.#replaceFiles(part);
        await rm(part, { recursive: true, force: true });
      }
      await syncDirectory(dirname(this.#folder));
    } catch (error) {
      throw error instanceof FerryError ? error : cannotWrite(this.#folder, error);
    }
  }

  async #replaceFiles(part: string): Promise<void> {
    await refuseLinks(this.#folder, [...this.#written.keys()]);
    const former = await dumpFilesIn(this.#folder, this.#options.ending);
    for (const path of this.#written.keys()) {
      await mkdir(dirname(join(this.#folder, path)), { recursive: true, mode: 0o700 });
      await rename(join(part, path), join(this.#folder, path));
    }
    // What is in no namespace or kind any more must not come back with the next restore.
    for (const path of former) if (!this.#written.has(path)) await rm(join(this.#folder, path));
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw cannotWrite(folder, error);
  }
}

/** The folder that a path leads to, without a slash at its end: what lies beside it is named after it. */
async function followed(path: string): Promise<string> {
  const plain = resolve(path);
  try {
    return await realpath(plain);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw cannotWrite(path, error);
    await refuseTaken(
      plain,
      'It is a link that leads nowhere: take it away, or make the folder that it names.',
    );
    return plain;
  }
}

/**
 * Whoever may write into the folder could let a link stand in the place of a folder of the dump, and so have files
 * written and deleted elsewhere. @param paths Of files, within the folder.
 */
async function refuseLinks(folder: string, paths: readonly string[]): Promise<void> {
  const within = paths.flatMap((path) => {
    const parts = dirname(path).split(sep);
    return parts.map((_, index) => join(folder, ...parts.slice(0, index + 1)));
  });
  for (const path of new Set(within)) {
    const found = await lstat(path).catch(() => undefined);
    if (found?.isSymbolicLink() === true) throw isLink(path);
  }
}

/** Files that an earlier dump of the same form has written. */
async function dumpFilesIn(folder: string, ending: string): Promise<string[]> {
  const found: string[] = [];
  for (const top of ['cluster', 'namespaces']) {
    const entries = await readdir(join(folder, top), { recursive: true, withFileTypes: true }).catch(
      () => [],
    );
    for (const entry of entries) {
      const path = relative(folder, join(entry.parentPath, entry.name));
      if (entry.isFile() && path.endsWith(ending)) found.push(path);
    }
  }
  return found;
}

/** Names come out of the store, and must not lead out of the folder. */
function safeName(name: string): string {
  return encodeURIComponent(name).replace(/^\./, '%2E');
}

function isLink(path: string): FerryError {
  return new FerryError({
    kind: 'refused',
    code: 'LINK_IN_FOLDER',
    message: `${path} is a link, in the place of a folder of the dump.`,
    hint: 'Take the link away, or choose another folder. No link within the folder is followed.',
  });
}

function isThere(folder: string): FerryError {
  return new FerryError({
    kind: 'refused',
    code: 'FILE_EXISTS',
    message: `${folder} is there already, and not empty.`,
    hint: 'Choose another folder, or add --overwrite to have this dump in the place of an earlier one.',
  });
}

function cannotWrite(path: string, cause: unknown): FerryError {
  const code = systemCode(cause) ?? 'unknown error';
  return new FerryError({
    kind: 'failed',
    code: 'CANNOT_WRITE',
    message: `${path} cannot be written (${code}).`,
    hint:
      code === 'EEXIST'
        ? 'Another run is writing there, or was killed: when none is running, delete it.'
        : 'Check the disk and the folder that it is to lie in.',
    cause,
  });
}
