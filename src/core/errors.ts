/**
 * What went wrong, as far as a script must tell it apart. `cli/exit-codes.ts` turns each kind into the exit
 * code of `docs/exit-codes.md`.
 */
export type FailureKind =
  'failed' | 'usage' | 'source' | 'locked' | 'denied' | 'integrity' | 'refused' | 'unreachable';

export interface Failure {
  readonly kind: FailureKind;
  /** Stable name for scripts and searches, such as `SNAPSHOT_TRUNCATED`. */
  readonly code: string;
  /** One sentence that names the thing. Never holds a secret. */
  readonly message: string;
  /** What the operator should do next. */
  readonly hint: string;
  readonly cause?: unknown;
}

/** The only error that is meant to reach the operator; anything else that does is a defect of this program. */
export class FerryError extends Error {
  override readonly name = 'FerryError';
  readonly kind: FailureKind;
  readonly code: string;
  readonly hint: string;

  constructor(failure: Failure) {
    // Words of others that a sentence ends with may bring a full stop of their own.
    super(
      failure.message.replace(/([^.])\.\.$/, '$1.'),
      failure.cause === undefined ? undefined : { cause: failure.cause },
    );
    this.kind = failure.kind;
    this.code = failure.code;
    this.hint = failure.hint;
  }
}

/** The system's name for an error of `node:fs` or `node:net`, such as `ENOENT`; undefined for any other. */
export function systemCode(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return undefined;
}
