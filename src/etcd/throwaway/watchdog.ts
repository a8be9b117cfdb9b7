import { spawn } from 'node:child_process';

/**
 * Kills the process `pid` when this one ends, even by SIGKILL or by a signal that nobody handles: a shell waits
 * for the end of its input, which only this process holds open. Call what is returned once `pid` has ended,
 * lest a stranger be hit who was given the number anew.
 */
export function killWithUs(pid: number): () => void {
  const shell = spawn('/bin/sh', ['-c', 'trap "" INT TERM HUP; read -r _; kill -9 "$0"', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    env: {},
  });
  // Without a shell the process is merely left to those who end it in good order.
  shell.on('error', () => undefined);
  shell.stdin.on('error', () => undefined);
  shell.unref();
  return () => {
    shell.kill('SIGKILL');
  };
}
