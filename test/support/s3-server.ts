import { PutBucketPolicyCommand } from '@aws-sdk/client-s3';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Environment } from '../../src/core/context.js';
import type { CertifiedKeyPaths } from '../../src/etcd/throwaway/certificates.js';
import { freePorts } from '../../src/etcd/throwaway/free-ports.js';
import { killWithUs } from '../../src/etcd/throwaway/watchdog.js';
import { createS3Client } from '../../src/storage/s3/client.js';
import { findTool } from './tools.js';

/** versitygw on loopback: a real S3 server, whose buckets are folders. */
export interface S3Server {
  readonly endpoint: string;
  /** Says where it is and who may write. */
  readonly env: Readonly<Record<string, string>>;
  /** Where the buckets lie. */
  readonly folder: string;
  /** Makes an empty bucket. */
  addBucket(name: string): Promise<void>;
  /** Makes an empty bucket with a user who may write into it and do nothing else; returns how to be that one. */
  addWriteOnlyBucket(name: string): Promise<Readonly<Record<string, string>>>;
  stop(): Promise<void>;
}

const run = promisify(execFile);

const credentials = { access: 'test-access-key', secret: 'test-secret-key' };

export interface S3ServerOptions {
  readonly tls?: CertifiedKeyPaths;
  /** Requests that are signed for another are refused. */
  readonly region?: string;
}

/** Waits until it answers. To be stopped by whoever starts it. */
export async function startS3Server(options: S3ServerOptions = {}): Promise<S3Server> {
  const folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-s3-'));
  const program = findTool('versitygw');
  const buckets = join(folder, 'buckets');
  const users = join(folder, 'users');
  await Promise.all([mkdir(buckets), mkdir(users)]);
  const port = (await freePorts(1))[0]!;
  const child = spawn(program, flags(port, { buckets, users }, options), {
    stdio: 'ignore',
    env: { ROOT_ACCESS_KEY: credentials.access, ROOT_SECRET_KEY: credentials.secret },
  });
  const release = killWithUs(child.pid!);
  const stop = async (): Promise<void> => {
    release();
    if (child.exitCode === null && child.kill('SIGKILL')) await once(child, 'exit');
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await untilListening(port, child);
  } catch (error) {
    await stop();
    throw error;
  }
  const endpoint = `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
  const env = {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: credentials.access,
    AWS_SECRET_ACCESS_KEY: credentials.secret,
  };
  const addBucket = (name: string): Promise<void> => mkdir(join(buckets, name));
  return {
    ...{ endpoint, env, folder: buckets, addBucket, stop },
    addWriteOnlyBucket: async (name) => {
      await addBucket(name);
      return { ...env, ...(await addWriter(endpoint, env, name)) };
    },
  };
}

function flags(
  port: number,
  { buckets, users }: { readonly buckets: string; readonly users: string },
  { tls, region }: S3ServerOptions,
): string[] {
  const listening = ['--port', `127.0.0.1:${port}`, '--quiet', '--iam-dir', users];
  if (region !== undefined) listening.push('--region', region);
  return [...listening, ...(tls ? ['--cert', tls.cert, '--key', tls.key] : []), 'posix', buckets];
}

async function addWriter(
  endpoint: string,
  env: Environment,
  bucket: string,
): Promise<{ AWS_ACCESS_KEY_ID: string; AWS_SECRET_ACCESS_KEY: string }> {
  const writer = { access: `${bucket}-writer`, secret: 'test-writer-secret' };
  const admin = ['admin', '--access', credentials.access, '--secret', credentials.secret];
  const user = ['create-user', '--access', writer.access, '--secret', writer.secret, '--role', 'user'];
  await run(findTool('versitygw'), [...admin, '--endpoint-url', endpoint, ...user]);
  const client = await createS3Client(env, {});
  const statement = {
    Effect: 'Allow',
    Principal: { AWS: [writer.access] },
    Action: ['s3:PutObject'],
    Resource: [`arn:aws:s3:::${bucket}/*`],
  };
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
  await client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }));
  return { AWS_ACCESS_KEY_ID: writer.access, AWS_SECRET_ACCESS_KEY: writer.secret };
}

async function untilListening(port: number, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt += 1) {
    if (child.exitCode !== null) throw new Error(`The S3 server ended with ${child.exitCode}.`);
    if (await accepts(port)) return;
    await setTimeout(100);
  }
  throw new Error('The S3 server does not listen.');
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => {
      resolve(false);
    });
  });
}
