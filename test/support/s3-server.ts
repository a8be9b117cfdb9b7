import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { CertifiedKeyPaths } from '../../src/etcd/certificates.js';
import { freePorts } from '../../src/etcd/free-ports.js';
import { findTool } from './tools.js';

/** versitygw on loopback: a real S3 server, whose buckets are folders. */
export interface S3Server {
  readonly endpoint: string;
  /** Says where it is and who may write. */
  readonly env: Readonly<Record<string, string>>;
  /** Makes an empty bucket. */
  addBucket(name: string): Promise<void>;
  stop(): Promise<void>;
}

const credentials = { access: 'test-access-key', secret: 'test-secret-key' };

/** Waits until it answers. To be stopped by whoever starts it. */
export async function startS3Server(tls?: CertifiedKeyPaths): Promise<S3Server> {
  const folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-s3-'));
  const port = (await freePorts(1))[0]!;
  const child = spawn(findTool('versitygw'), flags(port, folder, tls), {
    stdio: 'ignore',
    env: { ROOT_ACCESS_KEY: credentials.access, ROOT_SECRET_KEY: credentials.secret },
  });
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.kill('SIGKILL')) await once(child, 'exit');
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await untilListening(port, child);
  } catch (error) {
    await stop();
    throw error;
  }
  const endpoint = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
  return {
    endpoint,
    env: {
      AWS_ENDPOINT_URL: endpoint,
      AWS_ACCESS_KEY_ID: credentials.access,
      AWS_SECRET_ACCESS_KEY: credentials.secret,
    },
    addBucket: (name) => mkdir(join(folder, name)),
    stop,
  };
}

function flags(port: number, folder: string, tls: CertifiedKeyPaths | undefined): string[] {
  const listening = ['--port', `127.0.0.1:${port}`, '--quiet'];
  return [...listening, ...(tls ? ['--cert', tls.cert, '--key', tls.key] : []), 'posix', folder];
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
