import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { cronLine, shellQuote } from '../../../src/snapshot/schedule/cron.js';
import { remarksOn } from '../../../src/snapshot/schedule/remarks.js';
import type { ScheduledSave } from '../../../src/snapshot/schedule/scheduled-save.js';
import { sensuChecks } from '../../../src/snapshot/schedule/sensu-check.js';
import { systemdUnits } from '../../../src/snapshot/schedule/systemd.js';
import { findTool } from '../../support/tools.js';

const run = promisify(execFile);
const systemdAnalyze = findTool('systemd-analyze');

const nightly: ScheduledSave = {
  program: ['/bin/true'],
  save: [
    ...['--endpoints', 'https://etcd-1:2379', '--user', 'root', '--password-file', '/etc/sensu/etcd 100%'],
    ...['--to', '/var/backups/sensu $nightly'],
  ],
  verify: true,
  keep: ['--keep-daily', '7'],
  at: { hour: 2, minute: 15 },
};

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'sensu-ferry-schedule-'));
  onTestFinished(() => {
    rmSync(path, { recursive: true });
  });
  return path;
}

/** What systemd-analyze says about `units`. Its verdict on a setting that it does not know is a line, not an exit code. */
async function complaintsAbout(units: ReturnType<typeof systemdUnits>): Promise<readonly string[]> {
  const place = folder();
  for (const { name, text } of units) writeFileSync(join(place, name), text);
  const paths = units.map(({ name }) => join(place, name));
  const { stdout, stderr } = await run(systemdAnalyze, ['verify', '--man=no', ...paths]);
  return `${stdout}${stderr}`.split('\n').filter((line) => line.includes('sensu-ferry'));
}

describe('systemd units', () => {
  it('pass systemd-analyze verify', async () => {
    expect(await complaintsAbout(systemdUnits(nightly))).toEqual([]);
  });

  it('would not pass it with a setting that systemd does not know', async () => {
    const [service, timer] = systemdUnits(nightly);
    const misspelt = service!.text.replace('ProtectSystem=', 'ProtectSystems=');
    expect(await complaintsAbout([{ ...service!, text: misspelt }, timer!])).toEqual([
      expect.stringContaining('ProtectSystems'),
    ]);
  });

  it('are hardened: nothing of them is thought to be exposed', async () => {
    const units = folder();
    const [service] = systemdUnits(nightly);
    const path = join(units, service!.name);
    writeFileSync(path, service!.text);
    // Its exposure is a number from 0, which is best, to 10; the threshold is ten times that.
    const analysis = ['security', '--offline=yes', '--threshold=30', '--no-pager', path];
    const { stdout } = await run(systemdAnalyze, analysis);
    expect(stdout).toMatch(/Overall exposure level .*: [0-2]\.\d OK/);
  });

  it.each([
    ['LimitCORE=0', 'UMask=0077', 'PrivateTmp=yes'],
    ['ProtectSystem=strict', 'NoNewPrivileges=yes', 'CapabilityBoundingSet=CAP_DAC_OVERRIDE'],
    ['Persistent=true', 'RandomizedDelaySec=15min', 'OnCalendar=*-*-* 02:15:00'],
  ])('say %s, %s, %s', (...settings) => {
    const text = systemdUnits(nightly)
      .map((unit) => unit.text)
      .join('\n');
    expect(text.split('\n')).toEqual(expect.arrayContaining(settings));
  });

  it('load each secret file, and no other, as a credential of its own', () => {
    const files = [
      '--password-file',
      '/etc/pw',
      '--passphrase-file=/etc/phrase',
      '--key',
      '/etc/tls/key.pem',
    ];
    const save = [...files, '--cacert', '/etc/tls/ca.pem', '--to', '/var/backups/sensu'];
    const lines = systemdUnits({ ...nightly, save })[0]!.text.split('\n');
    expect(lines.filter((line) => line.startsWith('LoadCredential='))).toEqual([
      'LoadCredential=password-file-pw:/etc/pw',
      'LoadCredential=passphrase-file-phrase:/etc/phrase',
      'LoadCredential=key-key.pem:/etc/tls/key.pem',
    ]);
    expect(lines.filter((line) => /^ExecStart=.*\/etc\/(pw|phrase|tls\/key)/.test(line))).toEqual([]);
  });

  it('give the run as long as its own --timeout, and some to tidy up', () => {
    const text = (...more: readonly string[]): string =>
      systemdUnits({ ...nightly, save: [...nightly.save, ...more] })[0]!.text;
    expect(text()).toContain('TimeoutStartSec=3600\n');
    expect(text('--timeout', '3h')).toContain('TimeoutStartSec=11700\n');
  });

  it.each(['/tmp/backups', '/var/tmp', '/var/backups/"x"', "/it's", '/back\\slash'])(
    'are not made for the folder %s, which the service would not see',
    (to) => {
      expect(() => systemdUnits({ ...nightly, save: ['--to', to] })).toThrow(
        expect.objectContaining({ kind: 'usage', code: 'PATH_UNUSABLE' }),
      );
    },
  );

  it('say where a bucket’s credentials come from, as a service has nothing of root’s environment', () => {
    const [service] = systemdUnits({ ...nightly, save: ['--to', 's3://bucket/sensu'] });
    expect(service!.text).toContain('EnvironmentFile=-/etc/default/sensu-ferry\n');
    expect(systemdUnits(nightly)[0]!.text).not.toContain('EnvironmentFile');
  });

  it('show secret files to the service as credentials, and escape what systemd would expand', () => {
    const [service] = systemdUnits(nightly);
    expect(service!.text).toContain('LoadCredential=password-file-etcd_100_:/etc/sensu/etcd 100%%\n');
    expect(service!.text).toContain('--password-file %d/password-file-etcd_100_ --to');
    expect(service!.text).toContain('--to "/var/backups/sensu $$nightly"');
    // There are no variables in a path: a doubled $ would be two.
    expect(service!.text).toContain('ReadWritePaths="-/var/backups/sensu $nightly"\n');
    expect(service!.text).toContain('RequiresMountsFor="/var/backups/sensu $nightly"\n');
  });

  it('take a secret file behind an equals sign too', () => {
    const save = ['--password-file=/etc/pw', '--to', '/backups'];
    const [service] = systemdUnits({ ...nightly, save });
    expect(service!.text).toContain('--password-file=%d/password-file-pw');
    expect(service!.text).not.toContain('=/etc/pw');
  });

  it('prune behind the save, and only when asked to', () => {
    const starts = (schedule: ScheduledSave): number =>
      systemdUnits(schedule)[0]!
        .text.split('\n')
        .filter((line) => line.startsWith('ExecStart=')).length;
    expect(starts(nightly)).toBe(2);
    expect(starts({ ...nightly, keep: [] })).toBe(1);
  });

  it('give no access to a folder when snapshots go to a bucket', () => {
    const [service] = systemdUnits({ ...nightly, save: ['--to', 's3://bucket/sensu'] });
    expect(service!.text).not.toContain('ReadWritePaths');
  });

  it('let metrics be written', () => {
    const save = ['--to', 's3://bucket/sensu', '--textfile=/var/lib/node_exporter/sensu-ferry.prom'];
    const [service] = systemdUnits({ ...nightly, save });
    expect(service!.text).toContain('ReadWritePaths=-/var/lib/node_exporter\n');
  });
});

describe('a cron line', () => {
  it('escapes %, which ends a command in a crontab even within quotes', () => {
    expect(cronLine(nightly)).toBe(
      '15 2 * * * root /bin/true snapshot save --endpoints https://etcd-1:2379 --user root ' +
        "--password-file '/etc/sensu/etcd 100\\%' --to '/var/backups/sensu $nightly' --verify --quiet && " +
        "/bin/true snapshot prune '/var/backups/sensu $nightly' --keep-daily 7 --yes --quiet\n",
    );
  });

  it.each(["it's", '$HOME', 'a b', '`id`', '"', '\\', '*', ''])(
    'keeps the word %j whole in a shell',
    async (word) => {
      const { stdout } = await run('/bin/sh', ['-c', `printf %s ${shellQuote(word)}`]);
      expect(stdout).toBe(word);
    },
  );
});

it('prune and check find the bucket that the save goes to', () => {
  const save = ['--to', 's3://backups/sensu', '--s3-endpoint', 'https://minio:9000', '--no-s3-path-style'];
  const options = 's3://backups/sensu --s3-endpoint=https://minio:9000 --no-s3-path-style';
  expect(cronLine({ ...nightly, save })).toContain(`snapshot prune ${options} --keep-daily 7`);
  const unfolded = sensuChecks({ ...nightly, save }).replace(/\s+/g, ' ');
  expect(unfolded).toContain(`snapshot check ${options} --max-age 26h`);
});

describe('Sensu checks', () => {
  interface PrintedCheck {
    readonly metadata: { readonly name: string };
    readonly spec: { readonly command: string };
  }
  const checksOf = (schedule: ScheduledSave): readonly PrintedCheck[] =>
    parseAllDocuments(sensuChecks(schedule)).map((document) => document.toJS() as never);

  it('are two resources as sensuctl create takes them', () => {
    const documents = checksOf(nightly);
    expect(documents).toMatchObject([
      { type: 'CheckConfig', api_version: 'core/v2', spec: { cron: '15 2 * * *', publish: true } },
      {
        type: 'CheckConfig',
        spec: { interval: 3600, timeout: 300, output_metric_format: 'nagios_perfdata' },
      },
    ]);
    expect(documents[1]).toMatchObject({
      spec: { command: "/bin/true snapshot check '/var/backups/sensu $nightly' --max-age 26h" },
    });
  });

  it('have names of which none begins with the other, whose history Sensu would show for it', () => {
    const [save, age] = checksOf(nightly).map(({ metadata }) => metadata.name);
    expect(save!.startsWith(age!) || age!.startsWith(save!)).toBe(false);
  });

  it.each([
    ['save', 0, 0],
    ['save', 1, 2],
    ['save', 2, 2],
    ['save', 3, 1],
    ['save', 12, 2],
    ['save', 15, 2],
    // snapshot check speaks Sensu's language already: its CRITICAL must not become a WARNING on the way.
    ['age', 0, 0],
    ['age', 1, 1],
    ['age', 2, 2],
    ['age', 3, 3],
  ])('sensu-ferry-%s of a program that ends with %i ends with %i for Sensu', async (name, code, state) => {
    const program = join(folder(), 'ferry');
    writeFileSync(program, `#!/bin/sh\nexit ${code}\n`, { mode: 0o700 });
    const checks = checksOf({ ...nightly, program: [program] });
    const check = checks.find(({ metadata }) => metadata.name === `sensu-ferry-${name}`)!;
    const ended = await run('/bin/sh', ['-c', check.spec.command]).then(
      () => 0,
      (error: unknown) => (error as { code: number }).code,
    );
    expect(ended).toBe(state);
  });

  it('say who can read the password that they need', () => {
    expect(sensuChecks(nightly)).toMatch(
      /^# So can everybody who may create checks .*: \/etc\/sensu\/etcd 100%\.$/m,
    );
    expect(sensuChecks({ ...nightly, save: ['--to', 's3://backups'] })).not.toContain('create checks');
  });
});

describe('a schedule that needs a second look', () => {
  const remarks = (change: Partial<ScheduledSave>, exists = true): readonly string[] =>
    remarksOn({ ...nightly, at: { hour: 4, minute: 15 }, ...change }, () => exists);

  it('is not one that is well', () => {
    expect(remarks({})).toEqual([]);
  });

  it.each(['00:30', '01:00', '02:15', '03:59'])(
    '%s does not come in some nights, and twice in others',
    (text) => {
      const [hour, minute] = text.split(':').map(Number);
      const found = remarks({ at: { hour: hour!, minute: minute! } });
      expect(found).toEqual([expect.stringContaining(`${text} is left out or comes twice`)]);
    },
  );

  it('has no folder yet', () => {
    expect(remarks({}, false)).toEqual([expect.stringContaining('/var/backups/sensu $nightly')]);
    expect(remarks({ save: ['--to', 'S3://backups'] }, false)).toEqual([]);
  });

  it('saves what this machine cannot read back', () => {
    const save = [...nightly.save, '--recipient', 'age1x'];
    expect(remarks({ save })).toEqual([expect.stringContaining('not verified')]);
    expect(cronLine({ ...nightly, save })).not.toContain('--verify');
    expect(remarks({ save, verify: false })).toEqual([]);
  });
});
