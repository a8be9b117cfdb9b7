import { access, constants } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { compareVersions, findEtcdBinaries, type EtcdBinaries } from '../../src/etcd/throwaway/binaries.js';

/** The programs of one Sensu release. */
export interface SensuBinaries {
  readonly backend: string;
  readonly agent: string;
  readonly sensuctl: string;
}

export interface SuiteOptions {
  readonly sensu: SensuBinaries;
  /** Releases to use as the external etcd, the oldest first. */
  readonly etcd: readonly EtcdBinaries[];
  /** How long each migrated backend is watched. */
  readonly minutes: number;
  /** Empty: every scenario. */
  readonly only: readonly string[];
  /** Where logs and stores stay for a look afterwards; otherwise all is removed. */
  readonly keep: string | undefined;
}

const usage = `usage: npm run test:real -- --sensu-bin DIR [options]

  --sensu-bin DIR    folder with sensu-backend, sensu-agent and sensuctl
  --etcd VERSIONS    external etcd to use, such as 3.5.30,3.7.3 (default: the newest 3.5 and the newest)
  --minutes N        how long each migrated backend is watched (default 10)
  --only NAMES       scenarios to run, comma-separated (default: all)
  --keep DIR         keep logs and stores below DIR`;

export async function parseOptions(args: readonly string[]): Promise<SuiteOptions> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      'sensu-bin': { type: 'string' },
      etcd: { type: 'string' },
      minutes: { type: 'string', default: '10' },
      only: { type: 'string', default: '' },
      keep: { type: 'string' },
    },
  });
  const folder = values['sensu-bin'];
  if (folder === undefined) throw new Error(`--sensu-bin is missing.\n\n${usage}`);
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) throw new Error(`--minutes ${values.minutes} is not a number above 0.\n\n${usage}`);
  return {
    sensu: await sensuBinaries(resolve(folder)),
    etcd: chooseEtcd(await findEtcdBinaries(process.env), list(values.etcd)),
    minutes,
    only: list(values.only),
    keep: values.keep === undefined ? undefined : resolve(values.keep),
  };
}

function list(text: string | undefined): readonly string[] {
  return (text ?? '').split(',').filter((word) => word !== '');
}

async function sensuBinaries(folder: string): Promise<SensuBinaries> {
  const path = async (name: string): Promise<string> => {
    const program = join(folder, name);
    await access(program, constants.X_OK);
    return program;
  };
  return {
    backend: await path('sensu-backend'),
    agent: await path('sensu-agent'),
    sensuctl: await path('sensuctl'),
  };
}

function chooseEtcd(found: readonly EtcdBinaries[], wanted: readonly string[]): readonly EtcdBinaries[] {
  if (wanted.length === 0) {
    const newest35 = found.findLast(({ version }) => version.startsWith('3.5.'));
    return [...new Set([newest35, found.at(-1)])].filter((binaries) => binaries !== undefined);
  }
  const chosen = found.filter(({ version }) => wanted.includes(version));
  const missing = wanted.filter((version) => !chosen.some((binaries) => binaries.version === version));
  if (missing.length > 0) throw new Error(`There is no etcd ${missing.join(', ')} here: run 'npm run etcd'.`);
  return chosen.toSorted((a, b) => compareVersions(a.version, b.version));
}
