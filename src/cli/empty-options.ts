import type { Command } from 'commander';
import { FerryError } from '../core/errors.js';

/**
 * A shell variable that is not set gives an empty value. It must not pass for an option that is left out, or for a
 * selection of nothing.
 * @throws FerryError OPTION_EMPTY (`usage`), naming the first option or argument that is empty
 */
export function refuseEmpty(command: Command): void {
  for (const option of command.options) {
    const name = option.attributeName();
    if (command.getOptionValueSource(name) !== 'cli') continue;
    if (isEmpty(command.getOptionValue(name))) throw emptyValue(option.long ?? option.flags);
  }
  const place = command.args.findIndex(isEmpty);
  if (place === -1) return;
  // What `snapshot schedule` takes as arguments are the options of another command.
  throw emptyValue(`What follows ${command.args[place - 1] ?? command.name()}`);
}

/** Lists are empty of separators alone, too; those that are collected have lost them already. */
function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0 || value.some(isEmpty);
  return typeof value === 'string' && /^[\s,]*$/.test(value);
}

function emptyValue(what: string): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'OPTION_EMPTY',
    message: `${what} is empty.`,
    hint: 'Give it a value, or leave it out. A shell variable that is not set gives an empty one.',
  });
}
