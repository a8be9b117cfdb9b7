import type { Command } from 'commander';
import type { Context } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';
import { isReadableByOthers, readSecretFile } from '../../core/secret-file.js';
import { readPem } from '../../etcd/transport/tls-files.js';
import { warnOfClearText } from './connection.js';
import type { ApiConnectionOptions } from '../../sensu/api/connection.js';
import type { ApiLogin } from '../../sensu/api/login.js';

export interface ApiFlags {
  readonly apiUrl?: string;
  readonly apiCa?: string;
  readonly apiKeyFile?: string;
  readonly apiUser?: string;
  readonly apiPasswordFile?: string;
}

/** The options of every command that asks Sensu's API for resources. */
export function addApiOptions(command: Command): Command {
  return command
    .option('--api-url <url>', "Sensu's API, such as https://sensu.example.com:8080")
    .option('--api-ca <file>', 'CA of the API, when the system does not know it')
    .option('--api-key-file <file>', 'log in with the API key in this file, - for standard input')
    .option('--api-user <name>', 'log in as this user of Sensu')
    .option('--api-password-file <file>', 'its password, - for standard input');
}

/**
 * Reads the files that the options name. Undefined without `--api-url`. @throws FerryError API_LOGIN_MISSING,
 * API_LOGIN_AMBIGUOUS, API_URL_MISSING, TLS_FILE_UNUSABLE, SECRET_FILE_UNUSABLE (`usage`)
 */
export async function apiConnectionFrom(
  flags: ApiFlags,
  context: Context,
): Promise<ApiConnectionOptions | undefined> {
  const { apiUrl: url, apiCa } = flags;
  if (url === undefined) {
    if (Object.entries(flags).some(([name, value]) => name.startsWith('api') && value !== undefined)) {
      throw urlMissing();
    }
    return undefined;
  }
  const login = await readLogin(flags, context);
  if (URL.canParse(url)) {
    warnOfClearText('apiKey' in login ? 'The API key' : 'The password', [url], context.report);
  }
  return {
    url,
    login,
    signal: context.signal,
    ...(apiCa !== undefined && { ca: await readPem(apiCa, '--api-ca') }),
  };
}

async function readLogin(flags: ApiFlags, context: Context): Promise<ApiLogin> {
  const { apiKeyFile, apiUser, apiPasswordFile } = flags;
  if (apiKeyFile !== undefined && (apiUser !== undefined || apiPasswordFile !== undefined)) {
    throw loginAmbiguous();
  }
  if (apiKeyFile !== undefined) return { apiKey: await readSecret(apiKeyFile, 'API key', context) };
  if (apiUser === undefined || apiPasswordFile === undefined) throw loginMissing();
  if (apiUser.includes(':')) throw passwordInArguments();
  return { username: apiUser, password: await readSecret(apiPasswordFile, 'password of Sensu', context) };
}

async function readSecret(path: string, what: string, { report }: Context): Promise<string> {
  const secret = await readSecretFile(path, what);
  if (await isReadableByOthers(path)) {
    report.warn(`${path} can be read by other users of this machine: chmod 600 it.`);
  }
  return secret;
}

function urlMissing(): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'API_URL_MISSING',
    message: "Options for Sensu's API are given, but not where it is.",
    hint: 'Add --api-url, such as --api-url https://sensu.example.com:8080.',
  });
}

function loginMissing(): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'API_LOGIN_MISSING',
    message: "It is not said how to log in to Sensu's API.",
    hint: 'Add --api-key-file FILE, or --api-user NAME with --api-password-file FILE.',
  });
}

function loginAmbiguous(): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'API_LOGIN_AMBIGUOUS',
    message: "Both an API key and a user are given for Sensu's API.",
    hint: 'Leave out --api-key-file, or --api-user and --api-password-file.',
  });
}

function passwordInArguments(): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'PASSWORD_IN_ARGUMENTS',
    message:
      '--api-user takes a name only: a password on the command line is seen by every user of the machine.',
    hint: 'Put the password into a file and name it with --api-password-file.',
  });
}
