import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { ProcessRunner } from '../../core/context.js';
import { FerryError, systemCode } from '../../core/errors.js';
import { timeOf } from './backend-log.js';

/** Where a backend writes its log. */
export type LogPlace = { readonly file: string } | { readonly unit: string };

export interface LogReader {
  /** For messages, such as `the journal of sensu-backend`. */
  readonly name: string;
  /**
   * The lines since the last call, at first those since the given time.
   * @throws FerryError LOG_UNREADABLE (`failed`)
   */
  read(): Promise<readonly string[]>;
}

export function readLog(place: LogPlace, since: Date, processes: ProcessRunner): LogReader {
  return 'file' in place
    ? new FileLogReader(place.file, since)
    : new JournalReader(place.unit, since, processes);
}

/** Of a file that is long already, no more of the end is looked at; what is appended later is read in such parts too. */
const partBytes = 4 * 1024 * 1024;

class FileLogReader implements LogReader {
  readonly name: string;
  readonly #path: string;
  readonly #since: Date;
  #inode: number | undefined;
  #offset = 0;
  #unfinished = '';

  constructor(path: string, since: Date) {
    this.name = path;
    this.#path = path;
    this.#since = since;
  }

  async read(): Promise<readonly string[]> {
    try {
      // A pipe would never be opened otherwise.
      const file = await open(this.#path, constants.O_RDONLY | constants.O_NONBLOCK);
      try {
        return await this.#readFrom(file);
      } finally {
        await file.close();
      }
    } catch (error) {
      if (error instanceof FerryError) throw error;
      throw unreadable(this.name, systemCode(error) ?? 'unknown error');
    }
  }

  async #readFrom(file: FileHandle): Promise<readonly string[]> {
    const stats = await file.stat();
    if (!stats.isFile()) throw unreadable(this.name, 'not a regular file');
    const { ino, size } = stats;
    const first = this.#inode === undefined;
    // Rotated: what is there now is another file, or the same one cut to nothing.
    if (first || ino !== this.#inode || size < this.#offset) {
      this.#inode = ino;
      this.#offset = first ? Math.max(0, size - partBytes) : 0;
      this.#unfinished = '';
    }
    if (size === this.#offset) return [];
    const part = Buffer.alloc(Math.min(size - this.#offset, partBytes));
    const { bytesRead } = await file.read(part, 0, part.length, this.#offset);
    this.#offset += bytesRead;
    const lines = (this.#unfinished + part.toString('utf8', 0, bytesRead)).split('\n');
    this.#unfinished = lines.pop() ?? '';
    return first ? lines.filter((line) => this.#isRecent(line)) : lines;
  }

  #isRecent(line: string): boolean {
    const time = timeOf(line);
    // Sensu's times have no fractions of a second.
    return time !== undefined && time.getTime() >= this.#since.getTime() - 1000;
  }
}

const journalTimeoutMs = 10_000;

class JournalReader implements LogReader {
  readonly name: string;
  readonly #unit: string;
  readonly #processes: ProcessRunner;
  /** Where the next reading begins, as an option of journalctl. */
  #from: string;

  constructor(unit: string, since: Date, processes: ProcessRunner) {
    this.name = `the journal of ${unit}`;
    this.#unit = unit;
    this.#processes = processes;
    this.#from = `--since=@${Math.floor(since.getTime() / 1000)}`;
  }

  async read(): Promise<readonly string[]> {
    const options = ['--output=cat', '--no-pager', '--quiet', '--show-cursor', this.#from];
    const { exitCode, stdout } = await this.#processes
      .run('journalctl', [`--unit=${this.#unit}`, ...options], { timeoutMs: journalTimeoutMs })
      .catch((error: unknown) => {
        throw unreadable(this.name, error instanceof FerryError ? error.message : 'journalctl failed');
      });
    if (exitCode !== 0) throw unreadable(this.name, `journalctl ended with exit code ${exitCode ?? 'none'}`);
    const lines = stdout.split('\n').filter((line) => line !== '');
    const cursor = /^-- cursor: (.+)$/.exec(lines.at(-1) ?? '')?.[1];
    if (cursor === undefined) return lines;
    this.#from = `--after-cursor=${cursor}`;
    return lines.slice(0, -1);
  }
}

function unreadable(name: string, why: string): FerryError {
  return new FerryError({
    kind: 'failed',
    code: 'LOG_UNREADABLE',
    message: `The log of the backend cannot be read from ${name} (${why.replace(/\.$/, '')}).`,
    hint: 'Run this as root, or name the file that the backend writes its log to with --log-file.',
  });
}
