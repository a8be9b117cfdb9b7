import { endMark, headMark } from './marks.js';

export type DumpFormat = 'yaml' | 'wrapped-json';

/** What stands in a file of a dump beside its documents. */
export interface Framing {
  readonly head: string;
  readonly separator: string;
  readonly end: (documents: number) => string;
}

export const framings: Readonly<Record<DumpFormat, Framing>> = {
  yaml: { head: headMark, separator: '---\n', end: endMark },
  'wrapped-json': { head: '', separator: '', end: () => '' },
};
