import { describe, expect, it } from 'vitest';
import type { ProcessOptions, ProcessRunner } from '../../src/core/context.js';
import { FerryError } from '../../src/core/errors.js';
import { createProcessRunner } from '../../src/host/process-runner.js';
import { createServiceControl } from '../../src/host/service-control.js';

const processes = createProcessRunner({ PATH: process.env['PATH'] });

function control(stopCommand: string, startCommand = 'true', runner: ProcessRunner = processes) {
  return createServiceControl({ processes: runner }, { stopCommand, startCommand });
}

async function failureOf(work: Promise<void>): Promise<FerryError> {
  const error: unknown = await work.catch((reason: unknown) => reason);
  if (error instanceof FerryError) return error;
  throw new Error('no FerryError was thrown', { cause: error });
}

describe('the commands of the service', () => {
  it('are lines for the shell', async () => {
    await expect(control('a=1; test "$a" = 1 && true').stop()).resolves.toBeUndefined();
  });

  it('are not mixed up', async () => {
    await expect(control('exit 1', 'true').start()).resolves.toBeUndefined();
    expect((await failureOf(control('true', 'exit 1').start())).code).toBe('START_COMMAND_FAILED');
  });

  it('fail with the exit code and the last lines that they said', async () => {
    const line =
      'for i in 1 2 3 4 5; do echo "line $i" >&2; done; printf "\\033[31mred\\033[0m\\n" >&2; exit 5';
    const failure = await failureOf(control(line).stop());
    expect(failure).toMatchObject({ kind: 'failed', code: 'STOP_COMMAND_FAILED' });
    expect(failure.message).toBe('The stop command ended with exit code 5: line 4 / line 5 / red.');
    expect(failure.hint).toContain('--stop-command');
  });

  it('fail with what they said on standard output when the other is empty', async () => {
    const failure = await failureOf(control('echo Unit not found; exit 4').stop());
    expect(failure.message).toBe('The stop command ended with exit code 4: Unit not found.');
  });

  it('do not repeat the line, which may hold a password', async () => {
    const failure = await failureOf(control(': hunter2; exit 1').stop());
    expect(failure.message).toBe('The stop command ended with exit code 1 and said nothing.');
  });

  it('do not get what this program logs in with, and all else', async () => {
    const secrets = [
      ...[
        'ETCDCTL_PASSWORD',
        'ETCDCTL_USER',
        'AWS_SECRET_ACCESS_KEY',
        'AWS_SESSION_TOKEN',
        'AWS_ACCESS_KEY_ID',
      ],
      ...[
        'SENSU_BACKEND_ETCD_CLIENT_PASSWORD',
        'SENSU_API_KEY',
        'BACKUP_PASSPHRASE',
        'PGPASSWORD',
        'VAULT_TOKEN',
      ],
    ];
    const env = Object.fromEntries(
      [...secrets, 'LANG', 'SENSU_BACKEND_LOG_LEVEL'].map((name) => [name, 'x']),
    );
    const runner = createProcessRunner({ PATH: process.env['PATH'], ...env });
    const seen =
      'env | cut -d= -f1 | grep -vE "^(PATH|PWD|SHLVL|_|OLDPWD)$" | sort | tr "\\n" " " >&2; exit 1';
    const { message } = await failureOf(control(seen, 'true', runner).stop());
    expect(message).toBe('The stop command ended with exit code 1: LANG SENSU_BACKEND_LOG_LEVEL.');
  });

  it('fail when a signal ends them', async () => {
    expect((await failureOf(control('kill -KILL $$').stop())).message).toContain('ended by a signal');
  });

  it('have more time than systemd takes to kill a service', async () => {
    const asked: ProcessOptions[] = [];
    const slow: ProcessRunner = {
      run: () => Promise.reject(new Error('not by run')),
      shell: (_command, options = {}) => {
        asked.push(options);
        const failure = {
          kind: 'unreachable',
          code: 'COMMAND_TIMED_OUT',
          message: 'late',
          hint: '',
        } as const;
        return Promise.reject(new FerryError(failure));
      },
    };
    const failure = await failureOf(control('true', 'true', slow).stop());
    expect(failure).toMatchObject({ kind: 'failed', code: 'STOP_COMMAND_FAILED' });
    expect(asked).toHaveLength(1);
    expect(asked[0]!.timeoutMs).toBeGreaterThan(90_000);
  });
});
