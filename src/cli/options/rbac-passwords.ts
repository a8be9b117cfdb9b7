import { stat } from 'node:fs/promises';
import type { Context } from '../../core/context.js';
import { FerryError, systemCode } from '../../core/errors.js';
import { isReadableByOthers, readSecretFile } from '../../core/secret-file.js';
import type { RbacPasswords, RbacUser } from '../../rbac/plan-types.js';
import { canPrompt, promptForNewPassword } from '../terminal/password-prompt.js';

export interface PasswordFlags {
  readonly rootPasswordFile?: string;
  readonly sensuPasswordFile?: string;
  readonly generatePasswords?: boolean;
}

/** Passwords that exist already, and the files in which others are to be made. */
export interface GivenPasswords {
  readonly known: RbacPasswords;
  readonly toGenerate: Readonly<Partial<Record<RbacUser, string>>>;
}

export async function readGivenPasswords(context: Context, flags: PasswordFlags): Promise<GivenPasswords> {
  const { refuseLongPassword } = await import('../../rbac/password-file.js');
  if (flags.rootPasswordFile === '-' && flags.sensuPasswordFile === '-') throw bothFromStandardInput();
  const files = { root: flags.rootPasswordFile, sensu: flags.sensuPasswordFile };
  const known: Partial<Record<RbacUser, string>> = {};
  const toGenerate: Partial<Record<RbacUser, string>> = {};
  for (const user of ['root', 'sensu'] as const) {
    const path = files[user];
    if (path === undefined) continue;
    if (flags.generatePasswords === true && !(await exists(path))) {
      toGenerate[user] = path;
      continue;
    }
    const password = await readSecretFile(path, `password of the etcd user ${user}`);
    refuseLongPassword(password, user);
    if (await isReadableByOthers(path)) {
      context.report.warn(`${path} can be read by other users of this machine: chmod 600 it.`);
    }
    known[user] = password;
  }
  return { known, toGenerate };
}

/** Asks for what is still missing, where there is somebody to ask. */
export async function askForMissing(
  context: Context,
  given: GivenPasswords,
  needed: ReadonlySet<RbacUser>,
): Promise<GivenPasswords> {
  const { refuseLongPassword } = await import('../../rbac/password-file.js');
  const known: Partial<Record<RbacUser, string>> = { ...given.known };
  for (const user of needed) {
    if (known[user] !== undefined || given.toGenerate[user] !== undefined) continue;
    // Without a terminal applyRbac says which option is missing.
    if (!canPrompt()) continue;
    const password = await promptForNewPassword(context, user);
    refuseLongPassword(password, user);
    known[user] = password;
  }
  return { known, toGenerate: given.toGenerate };
}

/** Makes the passwords that are needed, each written down before etcd hears of it. */
export async function generateNeeded(
  context: Context,
  given: GivenPasswords,
  needed: ReadonlySet<RbacUser>,
): Promise<RbacPasswords> {
  const { generatePassword, writePasswordFile } = await import('../../rbac/password-file.js');
  const passwords: Partial<Record<RbacUser, string>> = { ...given.known };
  for (const user of needed) {
    const path = given.toGenerate[user];
    if (path === undefined) continue;
    const password = generatePassword();
    await writePasswordFile(path, password);
    context.report.info(`A new password for the etcd user ${user} is in ${path}.`);
    passwords[user] = password;
  }
  return passwords;
}

async function exists(path: string): Promise<boolean> {
  if (path === '-') return true;
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw new FerryError({
      kind: 'usage',
      code: 'SECRET_FILE_UNUSABLE',
      message: `The password file ${path} cannot be looked at (${systemCode(error) ?? 'unknown error'}).`,
      hint: 'Give a path that you may read.',
      cause: error,
    });
  }
}

function bothFromStandardInput(): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'STANDARD_INPUT_TWICE',
    message: 'Standard input can give one password only, but two are to be read from it.',
    hint: 'Name a file for one of them.',
  });
}
