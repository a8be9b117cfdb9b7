import { FerryError } from './errors.js';

const unitMs: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

/**
 * Milliseconds of `90s`, `10m`, `26h`, `30d` or `2w`, or of several in a row such as `1h30m`.
 * @param option What it was given for, to be named in the error.
 * @throws FerryError DURATION_UNUSABLE (`usage`)
 */
export function parseDuration(text: string, option: string): number {
  const parts = [...text.matchAll(/(\d+)([smhdw])/g)];
  const milliseconds = parts.reduce((sum, [, count, unit]) => sum + Number(count) * unitMs[unit!]!, 0);
  const isWhole = parts.map(([part]) => part).join('') === text;
  if (isWhole && milliseconds > 0 && milliseconds <= longestMs) return milliseconds;
  throw new FerryError({
    kind: 'usage',
    code: 'DURATION_UNUSABLE',
    message: `${option} ${JSON.stringify(text)} is not a duration.`,
    hint: 'Use a number and one of s, m, h, d and w, such as 10m, 26h or 30d.',
  });
}

/** As `parseDuration`; a bare number counts seconds. */
export function parseSeconds(text: string, option: string): number {
  return /^\d+(\.\d+)?$/.test(text) && Number(text) > 0 ? Number(text) * 1000 : parseDuration(text, option);
}

/** A thousand years: beyond it, dates end. */
const longestMs = 365_000 * 86_400_000;

/** The largest unit that it has at least two of, such as `26 h` or `3 d`, for a column. */
export function formatAge(milliseconds: number): string {
  const [unit, length] =
    (['d', 'h', 'm'] as const)
      .map((name) => [name, unitMs[name]!] as const)
      .find(([, ms]) => milliseconds >= 2 * ms) ?? (['s', 1000] as const);
  return `${Math.floor(milliseconds / length)} ${unit === 'm' ? 'min' : unit}`;
}
