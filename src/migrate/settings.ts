import { z } from 'zod';
import type { Credentials, TlsFiles } from '../etcd/connect-options.js';
import type { BackendLogin } from '../rbac/login.js';

/**
 * What the operator asked for, as it is written into the journal so that `resume` and `rollback` need only the
 * run directory: paths of files, never what is in them.
 */
export const recordedSettingsSchema = z.object({
  backendConfig: z.string(),
  envFile: z.string(),
  endpoints: z.array(z.string()),
  tls: z.object({ cacert: z.string().optional(), cert: z.string().optional(), key: z.string().optional() }),
  sourceEndpoints: z.array(z.string()).optional(),
  sourceTls: z.object({
    cacert: z.string().optional(),
    cert: z.string().optional(),
    key: z.string().optional(),
  }),
  stopCommand: z.string(),
  startCommand: z.string(),
  apiUrl: z.string().optional(),
  apiKeyFile: z.string().optional(),
  rootPasswordFile: z.string().optional(),
  /** How the backend logs in to the target. Journals of earlier releases know passwords only. */
  auth: z.enum(['certificate', 'password', 'none']).default('password'),
  /** The etcd user of the backend. */
  etcdUser: z.string().default('sensu'),
  sensuPasswordFile: z.string().optional(),
  profile: z.enum(['documented', 'least', 'init']),
  enableAuth: z.boolean(),
  /** Journals of earlier releases do not say. */
  configOnly: z.boolean().default(false),
  startTimeoutSeconds: z.number().positive(),
  /** 0: the migration ends with its proofs. Journals of earlier releases do not say. */
  watchSeconds: z.number().nonnegative().default(0),
  /** Absent: the journal of the unit, where systemd starts the backend. */
  logFile: z.string().optional(),
});

export type RecordedSettings = z.infer<typeof recordedSettingsSchema>;

export const loginOf = ({ auth, etcdUser }: Pick<RecordedSettings, 'auth' | 'etcdUser'>): BackendLogin => ({
  form: auth,
  user: etcdUser,
});

/** The files that the settings name, read. Lives in memory only. */
export interface Secrets {
  readonly targetTls: TlsFiles;
  /** Absent when the target has no auth and is to have none. */
  readonly root: Credentials | undefined;
  /** What the backend logs in with; absent unless it does so by password. */
  readonly sensu: Credentials | undefined;
  readonly apiKey: string | undefined;
}
