import { FerryError } from '../core/errors.js';
import type { Environment } from '../core/context.js';
import { apiKeyHint } from './keys/values.js';

export interface SensuctlOptions {
  /** The environment that it runs in: with HOME, where its configuration lies. */
  readonly env: Environment;
  readonly signal: AbortSignal;
  /** How long it may say nothing; default ten minutes, as it collects all of a type before it writes. */
  readonly silenceMs?: number;
}

/** The operator's own sensuctl, with the API and the login that it is configured for. */
export interface Sensuctl {
  /** Such as `6.12.0`. @throws FerryError SENSUCTL_UNUSABLE, SENSUCTL_TOO_OLD (`usage`), or see `read` */
  version(): Promise<string>;
  /** The namespaces that its user may know of. @throws FerryError SENSUCTL_UNUSABLE, or see `read` */
  namespaces(): Promise<readonly string[]>;
  /**
   * What it writes, in pieces. Left early, it is ended. @throws FerryError COMMAND_NOT_FOUND, SENSUCTL_NOT_CONFIGURED
   * (`usage`), SENSUCTL_DENIED (`denied`), SENSUCTL_FAILED, SENSUCTL_SILENT (`unreachable`)
   */
  read(args: readonly string[]): AsyncGenerator<Buffer>;
}

const command = 'sensuctl';

/** With 6.0 came the types and the names that a dump has since. */
const oldest = 6;

/** Of what it says on its standard error. */
const wordsLimit = 16 * 1024;

export function openSensuctl(options: SensuctlOptions): Sensuctl {
  const read = (args: readonly string[]): AsyncGenerator<Buffer> => run(args, options);
  const readAll = async (args: readonly string[]): Promise<string> => {
    const pieces: Buffer[] = [];
    for await (const piece of read(args)) pieces.push(piece);
    return Buffer.concat(pieces).toString('utf8');
  };
  return {
    read,
    version: async () => checkVersion(await readAll(['version'])),
    namespaces: async () => readNamespaces(await readAll(['namespace', 'list', '--format', 'json'])),
  };
}

async function* run(
  args: readonly string[],
  { env, signal, silenceMs = 600_000 }: SensuctlOptions,
): AsyncGenerator<Buffer> {
  const { execa } = await import('execa');
  const stop = new AbortController();
  const child = execa(command, args, {
    env: withoutGaps(env),
    extendEnv: false,
    reject: false,
    buffer: false,
    stdin: 'ignore',
    cancelSignal: AbortSignal.any([signal, stop.signal]),
  });
  const words = lastWords(child.stderr);
  const silence = setTimeout(() => {
    stop.abort();
  }, silenceMs);
  try {
    for await (const piece of child.stdout as AsyncIterable<Buffer>) {
      silence.refresh();
      yield piece;
    }
    const { exitCode, code } = await child;
    signal.throwIfAborted();
    if (stop.signal.aborted) throw silent(silenceMs);
    if (child.pid === undefined) throw notStarted(code);
    if (exitCode !== 0) throw failed(args, exitCode, await words);
  } catch (error) {
    signal.throwIfAborted();
    throw stop.signal.aborted && !(error instanceof FerryError) ? silent(silenceMs) : error;
  } finally {
    clearTimeout(silence);
    stop.abort();
  }
}

function withoutGaps(env: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
}

/** Read at once, or a program that says much would wait for ever. */
async function lastWords(stream: AsyncIterable<Buffer | string>): Promise<string> {
  let words = '';
  try {
    for await (const piece of stream) words = (words + piece.toString()).slice(-wordsLimit);
  } catch {
    // It ended with the program.
  }
  return words;
}

function checkVersion(words: string): string {
  const version = /^sensuctl version (\d+)\.(\d+)\.(\d+)/m.exec(words);
  if (version === null) {
    throw new FerryError({
      kind: 'usage',
      code: 'SENSUCTL_UNUSABLE',
      message: 'The command sensuctl does not tell its version: it is none of Sensu Go.',
      hint: 'Check what sensuctl is on the PATH, or use --api-url.',
    });
  }
  const [, major, minor, patch] = version;
  if (Number(major) >= oldest) return `${major}.${minor}.${patch}`;
  throw new FerryError({
    kind: 'usage',
    code: 'SENSUCTL_TOO_OLD',
    message: `sensuctl ${major}.${minor}.${patch} is older than ${oldest}.0 and dumps less.`,
    hint: 'Install the sensuctl of the release of the backend, or use --api-url.',
  });
}

function readNamespaces(words: string): readonly string[] {
  try {
    const list = JSON.parse(words) as unknown;
    if (Array.isArray(list)) return list.map((item: { name: unknown }) => String(item.name));
  } catch {
    // The parser's error quotes the text.
  }
  throw new FerryError({
    kind: 'failed',
    code: 'SENSUCTL_UNUSABLE',
    message: 'sensuctl namespace list --format json did not write a list of namespaces.',
    hint: 'Run it by hand to see what it writes, or use --api-url.',
  });
}

function notStarted(code: string | undefined): FerryError {
  const isMissing = code === 'ENOENT';
  return new FerryError({
    kind: 'usage',
    code: isMissing ? 'COMMAND_NOT_FOUND' : 'COMMAND_NOT_STARTED',
    message: isMissing
      ? 'There is no command sensuctl.'
      : `sensuctl cannot be started (${code ?? 'unknown reason'}).`,
    hint: 'Install the package sensu-go-cli, check the PATH, or use --api-url.',
  });
}

function failed(args: readonly string[], exitCode: number | undefined, words: string): FerryError {
  const said = tidy(words);
  const ended = exitCode === undefined ? 'was ended by a signal' : `ended with ${exitCode}`;
  const message = `sensuctl ${args.slice(0, 2).join(' ')} ${ended}${said === '' ? '' : `: ${said}`}.`;
  if (/No API URL is defined|Unable to locate credentials/i.test(words)) {
    const hint = 'Run sensuctl configure as this user, or use --api-url.';
    return new FerryError({ kind: 'usage', code: 'SENSUCTL_NOT_CONFIGURED', message, hint });
  }
  if (/unauthorized|unauthenticated|bad credentials|invalid credentials/i.test(words)) {
    const hint = 'Run sensuctl configure again, with a user who may read what is to be dumped.';
    return new FerryError({ kind: 'denied', code: 'SENSUCTL_DENIED', message, hint });
  }
  const hint = 'Run it by hand to see what is wrong, and look whether the backend is up.';
  return new FerryError({ kind: 'unreachable', code: 'SENSUCTL_FAILED', message, hint });
}

/** The last line that says something, without API keys; behind an error sensuctl may print its usage. */
function tidy(words: string): string {
  const lines = words.split('\n').map((line) => line.replace(/\p{Cc}/gu, ' ').trim());
  const line = lines.find((candidate) => /^error/i.test(candidate)) ?? lines.findLast((each) => each !== '');
  return (line ?? '')
    .replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi, apiKeyHint)
    .slice(0, 300)
    .replace(/\.$/, '');
}

function silent(silenceMs: number): FerryError {
  return new FerryError({
    kind: 'unreachable',
    code: 'SENSUCTL_SILENT',
    message: `sensuctl wrote nothing for ${silenceMs / 1000} s and was ended.`,
    hint: 'Look whether the backend is up, and run sensuctl by hand.',
  });
}
