import type { Context } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';
import { printableLines } from '../../core/printable.js';
import { ask } from './ask.js';

export interface ConfirmOptions {
  readonly yes?: boolean;
}

/**
 * Shows what would be done and asks. Without a terminal nobody can answer, so `--yes` must have been given.
 * `what` completes the question "Go on and ...?".
 */
export async function confirm(
  context: Context,
  options: ConfirmOptions,
  plan: readonly string[],
  what: string,
): Promise<void> {
  if (options.yes === true) return;
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new FerryError({
      kind: 'usage',
      code: 'CONFIRMATION_MISSING',
      message: `Nobody can be asked whether to ${what}, because there is no terminal.`,
      hint: 'Look at the plan with --plan, then add --yes.',
    });
  }
  process.stderr.write(printableLines(plan));
  const terminal = { input: process.stdin, output: process.stderr };
  const answer = await ask(`Go on and ${what}? [y/N] `, terminal, context.signal);
  if (/^y(es)?$/i.test(answer.trim())) return;
  throw new FerryError({
    kind: 'refused',
    code: 'NOT_CONFIRMED',
    message: 'Nothing was changed.',
    hint: 'Answer y, or give --yes, to go on.',
  });
}
