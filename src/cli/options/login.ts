import { Option, type Command } from 'commander';
import type { LoginForm } from '../../rbac/login.js';

export interface LoginFlags {
  readonly auth?: LoginForm;
  readonly etcdUser?: string;
}

/** How backends log in to etcd: one choice of all commands that set it up, prove it or use it. */
export function addLoginOptions(command: Command): Command {
  const auth = new Option(
    '--auth <form>',
    'how backends log in to etcd: by the CN of their client certificate; by user name and password; or not at all, as etcd has no auth. Default: password with --sensu-password-file, else certificate where the members ask for client certificates',
  );
  return command
    .addOption(auth.choices(['certificate', 'password', 'none']))
    .option('--etcd-user <name>', 'etcd user of the backends, and CN of their certificate (default: sensu)');
}
