import { parseDuration } from '../../core/duration.js';
import { isInBucket } from '../../storage/location.js';

/** A `snapshot save` that runs by itself every night, and what tidies up behind it. */
export interface ScheduledSave {
  /** Path of this program, or of node and it. */
  readonly program: readonly string[];
  /** Options of `snapshot save`, such as `--endpoints`, `https://etcd-1:2379`. */
  readonly save: readonly string[];
  /** Whether each snapshot is read back and verified, where this machine can. */
  readonly verify: boolean;
  /** Options of `snapshot prune` such as `--keep-daily`, `7`; empty to prune nothing. */
  readonly keep: readonly string[];
  readonly at: TimeOfDay;
}

export interface TimeOfDay {
  readonly hour: number;
  readonly minute: number;
}

/** Where the snapshots go: the value of `--to`. */
export function destinationOf(save: readonly string[]): string | undefined {
  return optionValue(save, '--to');
}

export function isDirectory(destination: string): boolean {
  return !isInBucket(destination);
}

/** Of `--name value` or `--name=value`, the last one given. */
export function optionValue(args: readonly string[], name: string): string | undefined {
  const values = args.flatMap((arg, index) => {
    if (arg === name) return [args[index + 1]];
    return arg.startsWith(`${name}=`) ? [arg.slice(name.length + 1)] : [];
  });
  return values.at(-1);
}

/** Those of `snapshot save` that every command on the same place needs, each in one word. */
export function placeOptions(save: readonly string[]): readonly string[] {
  const withValue = ['--s3-endpoint', '--s3-region'].flatMap((name) => {
    const value = optionValue(save, name);
    return value === undefined ? [] : [`${name}=${value}`];
  });
  return [...withValue, ...save.filter((word) => /^--(no-)?s3-path-style$/.test(word))];
}

/** Without the key of a recipient a machine cannot read what it has saved. */
export function canVerify(save: readonly string[]): boolean {
  return optionValue(save, '--recipient') === undefined;
}

/** The command lines to run, one after the other. What is not verified does not push out older snapshots. */
export function commandsOf({ program, save, verify, keep }: ScheduledSave): readonly (readonly string[])[] {
  const readBack = verify && canVerify(save) && !save.includes('--verify') ? ['--verify'] : [];
  const saving = [...program, 'snapshot', 'save', ...save, ...readBack, '--quiet'];
  if (keep.length === 0) return [saving];
  const place = [destinationOf(save)!, ...placeOptions(save)];
  return [saving, [...program, 'snapshot', 'prune', ...place, ...keep, '--yes', '--quiet']];
}

/** Options whose files are secret. */
export const secretFileOptions = ['--password-file', '--passphrase-file', '--key'] as const;

/** Seconds that one run may take: an hour, or what its own `--timeout` gives it and some to tidy up. */
export function longestRun(save: readonly string[]): number {
  const timeout = optionValue(save, '--timeout');
  const asked = timeout === undefined ? 0 : parseDuration(timeout, '--timeout');
  return Math.max(3600, Math.ceil(asked / 1000) + 900);
}
