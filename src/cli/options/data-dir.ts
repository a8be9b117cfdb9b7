import type { Command } from 'commander';

export interface DataDirFlags {
  readonly dataDir?: readonly string[];
}

/** The data directories of stopped members, for every command that can do without a running etcd. */
export function addDataDirOption(command: Command): Command {
  return command.option(
    '--data-dir <folder>',
    '<state-dir>/etcd of a stopped backend, or a data directory of etcd; once for each member of a cluster',
    (folder: string, before: readonly string[] | undefined) => [...(before ?? []), folder],
  );
}
