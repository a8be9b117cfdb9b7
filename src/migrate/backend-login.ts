import { FerryError } from '../core/errors.js';
import { readTlsFiles } from '../etcd/transport/tls-files.js';
import { chooseLogin, type BackendLogin, type LoginForm } from '../rbac/login.js';
import type { RecordedSettings } from './settings.js';

export interface BackendLoginWishes {
  readonly auth?: LoginForm;
  readonly etcdUser?: string;
  readonly sensuPasswordFile?: string;
  readonly enableAuth: boolean;
}

/**
 * How the migrated backend is to log in to the target, by what was asked for and what the target asks for.
 * @throws FerryError `usage` when nothing tells, or what is needed for it is not given
 */
export async function chooseBackendLogin(
  wishes: BackendLoginWishes,
  { endpoints, tls }: Pick<RecordedSettings, 'endpoints' | 'tls'>,
): Promise<BackendLogin> {
  const { auth, etcdUser, enableAuth, sensuPasswordFile } = wishes;
  const hasPassword = sensuPasswordFile !== undefined;
  const files = await readTlsFiles(tls);
  const login = await chooseLogin({ auth, etcdUser, enableAuth, hasPassword }, { endpoints, tls: files });
  if (login === undefined) throw notSaid();
  if (login.form === 'password' && !hasPassword) throw passwordMissing(login.user);
  if (login.form === 'certificate' && files.cert === undefined) throw certificateMissing(login.user);
  return login;
}

function notSaid(): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'LOGIN_NOT_SAID',
    message:
      'How the backend is to log in to the target was not given, and the target asks for no client certificate.',
    hint: 'Add --sensu-password-file FILE, or --auth none for an etcd without auth.',
  });
}

function passwordMissing(user: string): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'PASSWORD_MISSING',
    message: `The password of the etcd user ${user} is needed, but not given.`,
    hint: 'Name the file that holds it with --sensu-password-file (- for standard input).',
  });
}

function certificateMissing(user: string): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'CERTIFICATE_MISSING',
    message: 'The backend is to log in by its client certificate, but none is given.',
    hint: `Add --cert and --key of a certificate whose CN is ${user}.`,
  });
}
