import { describe, expect, it } from 'vitest';
import type { ProcessRunner } from '../../src/core/context.js';
import { FerryError } from '../../src/core/errors.js';
import { expandVariables, parseFlags } from '../../src/sensu/backend/command-flags.js';
import { noUnit, parseUnit, readUnit, splitWords } from '../../src/host/unit-file.js';

/** The packaged unit's settings. */
const packaged = `
[Unit]
Description=The Sensu Backend service.
After=network-online.target

[Service]
Type=simple
User=sensu
Environment=UNIT=1
EnvironmentFile=-/etc/default/sensu-backend
EnvironmentFile=-/etc/sysconfig/sensu-backend
LimitNOFILE=65535
ExecStart=/usr/sbin/sensu-backend start -c /etc/sensu/backend.yml
ExecReload=/bin/kill -HUP $MAINPID
Restart=always

[Install]
WantedBy=multi-user.target
`;

describe('parseUnit', () => {
  it('reads the packaged unit, its files in the order in which the later wins', () => {
    expect(parseUnit(packaged)).toEqual({
      flags: ['start', '-c', '/etc/sensu/backend.yml'],
      environmentFiles: ['/etc/default/sensu-backend', '/etc/sysconfig/sensu-backend'],
      environment: { UNIT: '1' },
    });
  });

  it('lets a drop-in take back and replace, as that of the Puppet module does', () => {
    const dropIn = `
# /etc/systemd/system/sensu-backend.service.d/start.conf
[Service]
ExecStart=
ExecStart=/usr/sbin/sensu-backend start -c /etc/sensu/backend.yml \\
  # a comment between
  --etcd-name "back end" --state-dir=/srv/sensu
EnvironmentFile=
EnvironmentFile=/etc/sensu/environment
Environment="A=1 2" 'B=x' C=3
Environment=A=4
`;
    expect(parseUnit(packaged + dropIn)).toEqual({
      flags: ['start', '-c', '/etc/sensu/backend.yml', '--etcd-name', 'back end', '--state-dir=/srv/sensu'],
      environmentFiles: ['/etc/sensu/environment'],
      environment: { UNIT: '1', A: '4', B: 'x', C: '3' },
    });
  });

  it('passes over other sections and what is no setting', () => {
    expect(parseUnit('[Install]\nExecStart=/bin/x a\n[Service]\nnonsense\n;ExecStart=/bin/y b\n')).toEqual(
      noUnit,
    );
  });
});

describe('splitWords', () => {
  it('knows both quotes and backslashes', () => {
    expect(splitWords(`a "b c" 'd "e"' f\\ g "h\\"i" ""`)).toEqual(['a', 'b c', 'd "e"', 'f g', 'h"i', '']);
  });
});

describe('readUnit', () => {
  const runner = (run: ProcessRunner['run']): ProcessRunner => ({
    run,
    shell: () => Promise.reject(new Error('no shell is asked')),
  });

  it('asks systemd', async () => {
    const asked: string[] = [];
    const unit = await readUnit(
      runner((command, args) => {
        asked.push([command, ...args].join(' '));
        return Promise.resolve({ exitCode: 0, stdout: packaged, stderr: '' });
      }),
    );
    expect(asked).toEqual(['systemctl cat sensu-backend']);
    expect(unit.flags).toContain('/etc/sensu/backend.yml');
  });

  it('does without systemd, and without the unit', async () => {
    const failure = { kind: 'usage', code: 'COMMAND_NOT_FOUND', message: '', hint: '' } as const;
    expect(await readUnit(runner(() => Promise.reject(new FerryError(failure))))).toEqual(noUnit);
    expect(await readUnit(runner(() => Promise.resolve({ exitCode: 1, stdout: '', stderr: '' })))).toEqual(
      noUnit,
    );
  });
});

describe('parseFlags', () => {
  const read = (...words: string[]): object => Object.fromEntries(parseFlags(words));

  it('knows every way to write one', () => {
    expect(read('start', '-c', 'a.yml', '--state-dir=/s', '-d/t', '-d=/u', '--etcd-name', 'n')).toEqual({
      'config-file': ['a.yml'],
      'state-dir': ['/s', '/t', '/u'],
      'etcd-name': ['n'],
    });
  });

  it('gives switches no value of the words that follow', () => {
    expect(read('--debug', '--no-embed-etcd', '--etcd-client-cert-auth', '--etcd-name', 'n')).toEqual({
      debug: ['true'],
      'no-embed-etcd': ['true'],
      'etcd-client-cert-auth': ['true'],
      'etcd-name': ['n'],
    });
    expect(read('--no-embed-etcd=false')).toEqual({ 'no-embed-etcd': ['false'] });
  });

  it('does not take the flag behind an unknown switch for its value', () => {
    expect(read('--some-new-switch', '--no-embed-etcd')).toEqual({
      'some-new-switch': ['true'],
      'no-embed-etcd': ['true'],
    });
  });

  it('ends at two dashes', () => {
    expect(read('--', '--no-embed-etcd')).toEqual({});
  });
});

describe('expandVariables', () => {
  /** The trap: what every object of JavaScript has is no variable. */
  it('takes a variable for empty that only objects have', () => {
    expect(expandVariables(['$constructor', 'a${toString}'], {})).toEqual(['a']);
  });

  it('does as systemd does', () => {
    const environment = { OPTIONS: '--no-embed-etcd --state-dir "/a b"', DIR: '/srv x' };
    expect(
      expandVariables(['start', '$OPTIONS', '--cache-dir=${DIR}', '$NONE', '$$x', 'a$DIR'], environment),
    ).toEqual(['start', '--no-embed-etcd', '--state-dir', '/a b', '--cache-dir=/srv x', '$x', 'a$DIR']);
  });
});
