import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { promptForNewPassword, promptForPassword } from '../../src/cli/terminal/password-prompt.js';
import type { Context } from '../../src/core/context.js';

interface FakeTerminal {
  readonly input: PassThrough;
  readonly output: PassThrough;
  shown(): string;
  type(line: string): Promise<void>;
}

function openTerminal(): FakeTerminal {
  const input = new PassThrough();
  const output = new PassThrough();
  let shown = '';
  output.on('data', (part: Buffer) => {
    shown += String(part);
  });
  return {
    input,
    output,
    shown: () => shown,
    type: async (line) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      input.write(`${line}\r`);
    },
  };
}

const context = (signal = new AbortController().signal): Context =>
  ({ signal }) as Partial<Context> as Context;

test('what is typed is taken, edited, and never shown', async () => {
  const terminal = openTerminal();
  const answer = promptForPassword(context(), 'Password: ', terminal);
  await terminal.type('pässwort x\x7fy');
  expect(await answer).toBe('pässwort y');
  expect(terminal.shown()).toBe('Password: \n');
});

test('a new password is typed twice', async () => {
  const terminal = openTerminal();
  const answer = promptForNewPassword(context(), 'sensu', terminal);
  await terminal.type('one');
  await terminal.type('one');
  expect(await answer).toBe('one');
});

test.each([
  ['differ', ['one', 'two'], 'PASSWORDS_DIFFER'],
  ['are empty', [''], 'PASSWORD_EMPTY'],
])('passwords that %s are refused', async (_what, lines, code) => {
  const terminal = openTerminal();
  const answer = promptForNewPassword(context(), 'sensu', terminal);
  const refused = expect(answer).rejects.toMatchObject({ kind: 'usage', code });
  for (const line of lines) await terminal.type(line);
  await refused;
});

test('a signal ends the question', async () => {
  const abort = new AbortController();
  const answer = promptForPassword(context(abort.signal), 'Password: ', openTerminal());
  abort.abort();
  await expect(answer).rejects.toMatchObject({ name: 'AbortError' });
});
