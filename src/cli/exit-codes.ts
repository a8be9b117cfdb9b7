import type { FailureKind } from '../core/errors.js';

/** The contract of docs/exit-codes.md. */
export const ExitCode = {
  done: 0,
  failed: 1,
  usage: 2,
  warnings: 3,
  source: 10,
  locked: 11,
  denied: 12,
  integrity: 13,
  refused: 14,
  unreachable: 15,
  interrupted: 130,
  terminated: 143,
} as const;

/** How `snapshot check` alone ends: as monitoring plugins do. */
export const PluginState = { OK: 0, WARNING: 1, CRITICAL: 2, UNKNOWN: 3 } as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export function exitCodeOf(kind: FailureKind): ExitCode {
  return ExitCode[kind];
}
