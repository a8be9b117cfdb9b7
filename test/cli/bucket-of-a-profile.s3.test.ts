import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startS3Server, type S3Server } from '../support/s3-server.js';
import { expectFailure, ferry, testFolder, type Ended } from '../support/ferry.js';

const region = 'eu-test-7';

let server: S3Server;

beforeAll(async () => {
  server = await startS3Server({ region });
  await server.addBucket('backups');
});

afterAll(() => server.stop());

/** A home in which nothing is but these two files of AWS's tools, on a machine that has no role of its own. */
async function homeWith(config: readonly string[], credentials: readonly string[]): Promise<Environment> {
  const folder = await testFolder();
  const files = { AWS_CONFIG_FILE: 'config', AWS_SHARED_CREDENTIALS_FILE: 'credentials' } as const;
  await writeFile(join(folder, 'config'), config.join('\n'));
  await writeFile(join(folder, 'credentials'), credentials.join('\n'), { mode: 0o600 });
  const paths = Object.entries(files).map(([name, file]) => [name, join(folder, file)]);
  return { ...Object.fromEntries(paths), HOME: folder, AWS_EC2_METADATA_DISABLED: 'true' } as Environment;
}

type Environment = Readonly<Record<string, string>>;

const list = (env: Environment, ...more: readonly string[]): Promise<Ended> =>
  ferry(['snapshot', 'list', 's3://backups/sensu', ...more], { env });

const keys = (name: string): readonly string[] => [
  `[${name}]`,
  `aws_access_key_id = ${server.env['AWS_ACCESS_KEY_ID']}`,
  `aws_secret_access_key = ${server.env['AWS_SECRET_ACCESS_KEY']}`,
];

describe('a bucket', () => {
  it('is found by a profile alone: endpoint, region and credentials', async () => {
    const config = ['[profile nightly]', `endpoint_url = ${server.endpoint}`, `region = ${region}`];
    const env = { ...(await homeWith(config, keys('nightly'))), AWS_PROFILE: 'nightly' };
    expect(await list(env)).toMatchObject({ code: 0, stdout: 'There is no snapshot.\n', stderr: '' });
  });

  it('has the region of the profile where only the endpoint is given', async () => {
    const env = await homeWith(['[default]', `region = ${region}`], keys('default'));
    expect(await list(env, '--s3-endpoint', server.endpoint)).toMatchObject({ code: 0, stderr: '' });
  });

  it.each([
    ['--s3-region', {}, ['--s3-region', region]],
    ['AWS_REGION', { AWS_REGION: region }, []],
    ['AWS_DEFAULT_REGION', { AWS_DEFAULT_REGION: region }, []],
  ])('has the region of %s', async (_what, env, options) => {
    expect(await list({ ...server.env, ...env }, ...options)).toMatchObject({ code: 0, stderr: '' });
  });

  it('in another region: which one that is', async () => {
    const home = await homeWith([], []);
    const ended = await list({ ...home, ...server.env, AWS_REGION: 'us-east-1' });
    expectFailure(ended, 2, 'S3_REGION_WRONG');
    expect(ended.stderr).toContain(`--s3-region ${region}`);
  });

  it('of AWS without a region, and without credentials: says so', async () => {
    const home = await homeWith([], []);
    expectFailure(await list(home), 2, 'S3_REGION_MISSING');
    expectFailure(await list({ ...home, AWS_REGION: 'us-east-1' }), 12, 'S3_CREDENTIALS_MISSING');
    const sso = ['sso_start_url = https://x.example.com', 'sso_region = us-east-1', 'sso_account_id = 1'];
    const config = ['[default]', 'region = us-east-1', 'sso_role_name = backup', ...sso];
    expectFailure(await list(await homeWith(config, [])), 12, 'S3_LOGIN_ENDED');
  });
});
