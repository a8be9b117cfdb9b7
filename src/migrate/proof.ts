/** One thing that was looked at after the start, and what it showed. */
export interface Proof {
  readonly what: string;
  readonly outcome: 'proven' | 'failed' | 'not-checked';
  readonly found: string;
}

export const proven = (what: string, found: string): Proof => ({ what, outcome: 'proven', found });
export const failed = (what: string, found: string): Proof => ({ what, outcome: 'failed', found });
export const notChecked = (what: string, found: string): Proof => ({ what, outcome: 'not-checked', found });
