import type { Command } from 'commander';
import type { Context } from '../../../core/context.js';
import { runs, addNetworkOptions, type CommandResult, type OutputOptions } from '../../run.js';
import { addStorageOptions, openStorageFrom, type StorageFlags } from '../../options/storage.js';

export function addPin(snapshot: Command): void {
  const verbs = [
    ['pin', 'keep a snapshot from being pruned'],
    ['unpin', 'let a pinned snapshot be pruned again'],
  ] as const;
  for (const [verb, description] of verbs) {
    const command = snapshot
      .command(verb)
      .description(description)
      .argument('<location>', 'DIR or s3://bucket/prefix, as in save --to')
      .argument('<name>', 'of the snapshot, as list has it');
    addNetworkOptions(addStorageOptions(command)).action(
      runs((context, flags, args) => change(context, flags, verb, args)),
    );
  }
}

async function change(
  context: Context,
  flags: OutputOptions & StorageFlags,
  verb: 'pin' | 'unpin',
  [location, name]: readonly string[],
): Promise<CommandResult> {
  const pins = await import('../../../snapshot/keep/pin.js');
  await pins[verb](context, await openStorageFrom(location!, flags, context), name!);
  const pinned = verb === 'pin';
  const words = `${name!} is ${pinned ? 'pinned' : 'not pinned any more'}.`;
  return { lines: flags.quiet === true ? [] : [words], json: { name, pinned } };
}
