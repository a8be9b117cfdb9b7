import { readFile } from 'node:fs/promises';
import type { Context } from '../core/context.js';
import type { EtcdClient, TlsFiles } from '../etcd/client.js';
import { readTlsFiles } from '../etcd/tls-files.js';
import { readBackendConfig } from '../sensu/backend-config.js';
import { parseEnvironment } from '../sensu/environment-file.js';
import { readUnit } from '../sensu/unit-file.js';
import type { Finding } from './findings.js';
import { readOriginal } from './originals.js';
import type { RecordedSettings } from './settings.js';

/** The backend as it is configured, before the switch. */
export interface MigrationSource {
  readonly endpoints: readonly string[];
  readonly tls: TlsFiles;
  /** `<state-dir>/etcd`. */
  readonly dataDirectory: string;
  readonly apiUrl: string;
  readonly apiCa: Buffer | undefined;
  /** What the configuration itself gives cause to say. */
  readonly findings: readonly Finding[];
}
