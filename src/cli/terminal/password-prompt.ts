import { Writable } from 'node:stream';
import type { Context } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';
import { printable } from '../../core/printable.js';
import { ask } from './ask.js';

interface Terminal {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

export function canPrompt(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

/** Asks for a password that is not shown while it is typed. Twice, as a typing error would be the password. */
export async function promptForNewPassword(
  context: Context,
  user: string,
  terminal: Terminal = { input: process.stdin, output: process.stderr },
): Promise<string> {
  const password = await promptForPassword(context, `Password for the etcd user ${user}: `, terminal);
  const again = await promptForPassword(context, 'The same once more: ', terminal);
  if (password === again) return password;
  throw new FerryError({
    kind: 'usage',
    code: 'PASSWORDS_DIFFER',
    message: `The two passwords typed for the etcd user ${user} differ.`,
    hint: 'Run the command again. Nothing was changed.',
  });
}

/** @throws FerryError `usage` for an empty password. */
export async function promptForPassword(
  context: Context,
  question: string,
  terminal: Terminal = { input: process.stdin, output: process.stderr },
): Promise<string> {
  terminal.output.write(printable(question));
  // readline echoes what is typed to its output, so it is given one that drops it.
  const nowhere = new Writable({
    write: (_chunk, _encoding, done) => {
      done();
    },
  });
  try {
    const hidden = { input: terminal.input, output: nowhere, terminal: true };
    const password = await ask('', hidden, context.signal);
    if (password !== '') return password;
  } finally {
    terminal.output.write('\n');
  }
  throw new FerryError({
    kind: 'usage',
    code: 'PASSWORD_EMPTY',
    message: 'No password was typed.',
    hint: 'Run the command again. Nothing was changed.',
  });
}
