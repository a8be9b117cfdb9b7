import http from 'node:http';
import https from 'node:https';
import { trustEachCertificate } from '../../core/trust.js';
import type { TlsFiles } from '../connect-options.js';
import type { TokenKind } from '../token-kind.js';

/** What etcd says of itself over plain HTTP on its client port, where no token is asked for. */
export interface ServerHttpFacts {
  /** `etcd_server_quota_backend_bytes` of /metrics; undefined where the server does not show it. */
  readonly quotaBytes: number | undefined;
  /** Whether anything was ever compacted there; undefined where the server does not show it. */
  readonly hasCompacted: boolean | undefined;
  /** The server's clock, from the Date header: to the second. */
  readonly date: Date | undefined;
}

const largestAnswer = 4 * 1024 * 1024;

/**
 * Asks `/metrics` of one endpoint. Undefined when it does not answer 200 within `timeoutMs`: etcd can be told
 * to serve metrics elsewhere, so that is no failure.
 */
export async function readServerHttpFacts(
  endpoint: string,
  tls: TlsFiles,
  timeoutMs = 5000,
): Promise<ServerHttpFacts | undefined> {
  const answer = await get(new URL('/metrics', endpoint), tls, timeoutMs).catch(() => undefined);
  if (answer === undefined) return undefined;
  const date = answer.date === undefined ? undefined : new Date(answer.date);
  return {
    quotaBytes: gauge(answer.body, 'etcd_server_quota_backend_bytes'),
    hasCompacted: hasCompacted(answer.body),
    date,
  };
}

/** The revision is in 3.5 and newer; the count, of 3.4 too, begins again with each start of the server. */
function hasCompacted(metrics: string): boolean | undefined {
  const revision = gauge(metrics, 'etcd_debugging_mvcc_compact_revision');
  const keys = gauge(metrics, 'etcd_debugging_mvcc_db_compaction_keys_total');
  if (revision === undefined && keys === undefined) return undefined;
  return (revision ?? 0) > 0 || (keys ?? 0) > 0;
}

function gauge(metrics: string, name: string): number | undefined {
  const value = new RegExp(`^${name} (\\S+)$`, 'm').exec(metrics)?.[1];
  return value === undefined ? undefined : Number(value);
}

interface Answer {
  readonly body: string;
  readonly date: string | undefined;
}

function get(url: URL, tls: TlsFiles, timeoutMs: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const receive = (response: http.IncomingMessage): void => {
      const parts: Buffer[] = [];
      let size = 0;
      response.on('error', reject);
      response.on('data', (part: Buffer) => {
        size += part.length;
        if (size > largestAnswer) response.destroy(new Error('The answer is too large.'));
        parts.push(part);
      });
      response.on('end', () => {
        if (response.statusCode === 200) {
          resolve({ body: Buffer.concat(parts).toString('utf8'), date: response.headers.date });
        } else {
          reject(new Error(`The server answered ${String(response.statusCode)}.`));
        }
      });
    };
    const request =
      url.protocol === 'https:'
        ? https.get(url, { ...tls, ...trustEachCertificate, signal }, receive)
        : http.get(url, { signal }, receive);
    request.on('error', reject);
  });
}

/**
 * What kind of token a member was told to give, by its command line, which `/debug/vars` shows: while auth is off no
 * token can be had to look at. Undefined where the command line does not say; a file or a variable may.
 */
export async function readTokenFlag(
  endpoint: string,
  tls: TlsFiles,
  timeoutMs = 5000,
): Promise<TokenKind | undefined> {
  const answer = await get(new URL('/debug/vars', endpoint), tls, timeoutMs).catch(() => undefined);
  const commandLine = /"cmdline": (\[.*\]),?$/m.exec(answer?.body ?? '')?.[1];
  const kind = /"-?-auth-token(?:=|",")(simple|jwt)\b/.exec(commandLine ?? '')?.[1];
  return kind as TokenKind | undefined;
}

/** The release of a member, which `/version` tells everybody; a status may be root's alone to ask for. */
export async function readServerVersion(
  endpoint: string,
  tls: TlsFiles,
  timeoutMs = 5000,
): Promise<string | undefined> {
  const answer = await get(new URL('/version', endpoint), tls, timeoutMs).catch(() => undefined);
  return /"etcdserver":"([^"]+)"/.exec(answer?.body ?? '')?.[1];
}
