import type { Document } from 'yaml';

type Fault = Document['errors'][number];

/** What is wrong and where, as the end of a sentence such as `is not YAML: …`. Nothing of the text is quoted. */
export function yamlFault(error: Fault): string {
  const line = error.linePos?.[0].line;
  const place = line === undefined ? '' : ` in line ${line}`;
  return `${sentenceOf(error)}${place}`;
}

function sentenceOf({ code, message }: Fault): string {
  // The library's own words for these are for programmers, or quote a value.
  if (code === 'MULTIPLE_DOCS') return 'a second document begins';
  if (code === 'DUPLICATE_KEY') return 'a key is there twice';
  if (code === 'TAB_AS_INDENT') return 'a tab is used to indent';
  return message.split('\n')[0]!.replace(/ at line \d+, column \d+:?$/, '');
}
