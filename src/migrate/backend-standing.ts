import { readFile } from 'node:fs/promises';
import { findHolder } from '../etcd-files/data-directory/in-use.js';
import type { Context } from '../core/context.js';
import { diagnose } from '../etcd/diagnose.js';
import { normalizeEndpoints } from '../etcd/transport/endpoints.js';
import { parseBackendConfig } from '../sensu/backend/backend-config.js';
import { apiAddress, isAnswering } from './backend-answer.js';
import type { RecordedSettings } from './settings.js';
import { sourcesOf, type MigrationSource } from './source.js';

/** What the backend of this host does at this moment. */
export interface BackendStanding {
  /** `starting`: its embedded etcd runs, but the API does not answer. `unclear`: what was seen does not fit together. */
  readonly serves: 'embedded' | 'external' | 'nothing' | 'starting' | 'unclear';
  /** The store that its files name, which it uses from its next start on; undefined when they cannot be read. */
  readonly configured: 'embedded' | 'external' | undefined;
  /** The same for a person. */
  readonly sentence: string;
}

type Settings = Pick<RecordedSettings, 'backendConfig' | 'envFile' | 'endpoints' | 'apiUrl'>;

/**
 * Looks at the API, the embedded etcd, the locks on its files and the configuration, never at what a journal says.
 * Never throws, and takes some seconds at most.
 */
export async function lookAtBackend(
  context: Context,
  settings: Settings,
  source: MigrationSource,
): Promise<BackendStanding> {
  const [answers, etcdRuns, configured] = await Promise.all([
    isAnswering(settings, source),
    embeddedEtcdRuns(source).catch(() => false),
    configuredStore(context, settings).catch(() => undefined),
  ]);
  const serves = servedStore(answers, etcdRuns, configured);
  const url = apiAddress(settings, source).url;
  return { serves, configured, sentence: sentenceOf(serves, configured, url, settings.endpoints) };
}

function servedStore(
  answers: boolean,
  etcdRuns: boolean,
  configured: BackendStanding['configured'],
): BackendStanding['serves'] {
  if (etcdRuns) return answers ? 'embedded' : 'starting';
  if (!answers) return 'nothing';
  return configured === 'embedded' ? 'unclear' : 'external';
}

const names = { embedded: 'its embedded store', external: 'the external etcd' } as const;

function sentenceOf(
  serves: BackendStanding['serves'],
  configured: BackendStanding['configured'],
  url: string,
  endpoints: readonly string[],
): string {
  const start = configured === undefined ? '' : ` When it is started, it will use ${names[configured]}.`;
  switch (serves) {
    case 'embedded':
      return configured === 'external'
        ? 'The backend runs on its embedded store, although its files name the external etcd.'
        : 'The backend runs on its embedded store.';
    case 'external':
      return `The backend runs on the external etcd (${endpoints.join(', ')}).`;
    case 'starting':
      return `The backend does not serve: its embedded etcd runs, but ${url} does not answer.`;
    case 'nothing':
      return `The backend is down: ${url} does not answer, and its embedded etcd does not run.${start}`;
    case 'unclear':
      return `It is unclear which backend answers at ${url}: the embedded etcd of this one does not run, but its files name it.`;
  }
}

/**
 * By the locks on its files, and by whether it answers: a lock of another container is not seen from here.
 * @throws CorruptFileError for a data directory that is none
 */
export async function embeddedEtcdRuns({ dataDirectory, endpoints, tls }: MigrationSource): Promise<boolean> {
  if (findHolder(dataDirectory).state === 'held') return true;
  const faults = await Promise.all(normalizeEndpoints(endpoints).map((endpoint) => diagnose(endpoint, tls)));
  return faults.some((fault) => fault?.kind !== 'unreachable');
}

async function configuredStore(context: Context, settings: Settings): Promise<'embedded' | 'external'> {
  const sources = await sourcesOf(context, settings);
  const config = parseBackendConfig(await readFile(settings.backendConfig, 'utf8'), sources);
  return config.get('no-embed-etcd').value ? 'external' : 'embedded';
}
