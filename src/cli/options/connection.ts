import type { Command } from 'commander';
import type { Context, Environment, Reporter } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';
import { isInClear } from '../../core/urls.js';
import { isReadableByOthers, readSecretFile } from '../../core/secret-file.js';
import type { ConnectOptions, Credentials } from '../../etcd/connect-options.js';
import { normalizeEndpoints } from '../../etcd/transport/endpoints.js';
import { readTlsFiles } from '../../etcd/transport/tls-files.js';

export interface ConnectionFlags {
  readonly endpoints?: readonly string[];
  readonly cacert?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly user?: string;
  readonly passwordFile?: string;
}

/** The connection options of every command, named as etcdctl names them. */
export function addConnectionOptions(command: Command): Command {
  return command
    .option(
      '--endpoints <urls>',
      'client URLs of the etcd cluster, comma-separated; ETCDCTL_ENDPOINTS',
      collectUrls,
    )
    .option('--cacert <file>', 'CA of the servers; ETCDCTL_CACERT')
    .option('--cert <file>', 'client certificate; ETCDCTL_CERT')
    .option('--key <file>', 'key of the client certificate; ETCDCTL_KEY')
    .option('--user <name>', 'etcd user; ETCDCTL_USER or SENSU_BACKEND_ETCD_CLIENT_USERNAME')
    .option(
      '--password-file <file>',
      "file with the etcd user's password, - for standard input; ETCDCTL_PASSWORD or SENSU_BACKEND_ETCD_CLIENT_PASSWORD",
    );
}

/** URLs as etcdctl takes them: a comma-separated list, which may also be given in several options. */
export function collectUrls(value: string, previous: readonly string[] = []): string[] {
  return [...previous, ...value.split(/[\s,]+/).filter((url) => url !== '')];
}

/**
 * Reads the files that the options name, and warns where a password goes over a network in clear.
 * `sendsPasswords`: also without a login, as in a command that sets passwords.
 */
export async function connectOptionsFrom(
  flags: ConnectionFlags,
  context: Context,
  also = { sendsPasswords: false },
): Promise<ConnectOptions> {
  const urls = flags.endpoints ?? collectUrls(context.env['ETCDCTL_ENDPOINTS'] ?? '');
  if (urls.length === 0) {
    throw new FerryError({
      kind: 'usage',
      code: 'ENDPOINTS_MISSING',
      message: 'No etcd endpoint is given.',
      hint: 'Add --endpoints https://host:2379 (several separated by commas) or set ETCDCTL_ENDPOINTS.',
    });
  }
  const credentials = await readCredentials(flags, context);
  const sendsPasswords = also.sendsPasswords || credentials !== undefined;
  const endpoints = normalizeEndpoints(urls, { sendsPasswords });
  if (sendsPasswords) warnOfClearText('Passwords', endpoints, context.report);
  // A variable that is set to nothing is one that is not set, as for etcdctl.
  const { ETCDCTL_CACERT: cacert, ETCDCTL_CERT: cert, ETCDCTL_KEY: key } = context.env;
  return {
    endpoints,
    signal: context.signal,
    report: onceEach(context.report),
    tls: await readTlsFiles({
      cacert: flags.cacert ?? (cacert || undefined),
      cert: flags.cert ?? (cert || undefined),
      key: flags.key ?? (key || undefined),
    }),
    ...(credentials && { credentials }),
  };
}

/** Loopback does not count as a network. Each URL must be one that `URL` can read. */
export function warnOfClearText(what: string, urls: readonly string[], report: Reporter): void {
  const inClear = urls.filter(isInClear).map((url) => new URL(url).origin);
  if (inClear.length === 0) return;
  report.warn(
    `${what} and all answers cross the network in clear to ${inClear.join(', ')}: use https where the server has TLS.`,
  );
}

/** A command may connect several times, and finds the same each time. */
function onceEach(report: Reporter): Pick<Reporter, 'info' | 'warn'> {
  const said = new Set<string>();
  const once = (say: (sentence: string) => void) => (sentence: string) => {
    if (!said.has(sentence)) say(sentence);
    said.add(sentence);
  };
  return {
    info: once((sentence) => {
      report.info(sentence);
    }),
    warn: once((sentence) => {
      report.warn(sentence);
    }),
  };
}

async function readCredentials(flags: ConnectionFlags, context: Context): Promise<Credentials | undefined> {
  if (flags.user?.includes(':') === true) {
    throw new FerryError({
      kind: 'usage',
      code: 'PASSWORD_IN_ARGUMENTS',
      message:
        '--user takes a name only: a password on the command line is seen by every user of the machine.',
      hint: 'Put the password into a file and name it with --password-file.',
    });
  }
  const named = userFromEnvironment(context.env);
  const username = flags.user ?? named.username;
  if (flags.passwordFile !== undefined) {
    if (username === undefined) throw userMissing();
    const password = await readSecretFile(flags.passwordFile, 'etcd password');
    if (await isReadableByOthers(flags.passwordFile)) {
      context.report.warn(`${flags.passwordFile} can be read by other users of this machine: chmod 600 it.`);
    }
    return { username, password };
  }
  if (username !== undefined && named.password !== undefined) {
    return { username, password: named.password };
  }
  // A name without a password in the environment alone is no wish to log in; the option is.
  if (flags.user !== undefined) throw passwordMissing(flags.user);
  return undefined;
}

/** `ETCDCTL_USER` may hold `name:password`, as etcdctl has it; the two variables of Sensu come after. */
function userFromEnvironment(env: Environment): Partial<Credentials> {
  const [etcdctlName, ...rest] = (env['ETCDCTL_USER'] ?? '').split(':');
  const username = etcdctlName || env['SENSU_BACKEND_ETCD_CLIENT_USERNAME'] || undefined;
  const password =
    rest.join(':') || env['ETCDCTL_PASSWORD'] || env['SENSU_BACKEND_ETCD_CLIENT_PASSWORD'] || undefined;
  return { ...(username !== undefined && { username }), ...(password !== undefined && { password }) };
}

function userMissing(): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'USER_MISSING',
    message: 'A password file is given, but no user.',
    hint: 'Add --user NAME.',
  });
}

function passwordMissing(user: string): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'PASSWORD_MISSING',
    message: `The etcd user ${user} is given, but no password.`,
    hint: 'Add --password-file FILE (- for standard input), or set ETCDCTL_PASSWORD.',
  });
}
