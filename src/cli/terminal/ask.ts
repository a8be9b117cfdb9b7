import { once } from 'node:events';
import { createInterface, type ReadLineOptions } from 'node:readline/promises';
import { printable } from '../../core/printable.js';

/**
 * Asks on a terminal and returns the line that is typed; nothing for Ctrl-D. Ctrl-C ends the program as everywhere
 * else: readline takes it for itself, so it is handed back.
 * @throws the signal's reason
 */
export async function ask(question: string, options: ReadLineOptions, signal: AbortSignal): Promise<string> {
  const prompt = createInterface(options);
  prompt.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  // At Ctrl-D some releases of Node reject the question, and others never answer it.
  const ended = once(prompt, 'close').then(() => '');
  try {
    return await Promise.race([prompt.question(printable(question), { signal }), ended]);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Error && error.name === 'AbortError') return '';
    throw error;
  } finally {
    prompt.close();
  }
}
