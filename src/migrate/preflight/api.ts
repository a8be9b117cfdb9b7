import { FerryError } from '../../core/errors.js';
import { isInClear } from '../../core/urls.js';
import { apiOf } from '../backend-answer.js';
import { note, refusal, warning, type Finding } from '../findings.js';
import type { RecordedSettings, Secrets } from '../settings.js';
import type { MigrationSource } from '../source.js';

/**
 * Asks the API what it is asked again after the switch, while the backend still runs: a wrong URL or key found then
 * would look like a backend that does not come up on its new store.
 */
export async function inspectApi(
  settings: RecordedSettings,
  source: MigrationSource,
  secrets: Pick<Secrets, 'apiKey'>,
  sensuClusterId: string | undefined,
): Promise<{ readonly findings: readonly Finding[]; readonly sensuVersion: string | undefined }> {
  let sensuVersion: string | undefined;
  try {
    const api = apiOf(settings, source, secrets);
    sensuVersion = (await api.version()).sensuBackend;
    if (secrets.apiKey === undefined) return { findings: [withoutKey], sensuVersion };
    const clear = isInClear(settings.apiUrl ?? source.apiUrl) ? [keyInClear] : [];
    return { findings: [...clear, ...storeOf(await api.clusterId(), sensuClusterId)], sensuVersion };
  } catch (error) {
    if (!(error instanceof FerryError)) throw error;
    const { code, message, hint, kind } = error;
    // Nothing has been tried yet that could have failed.
    const ending = kind === 'failed' ? 'refused' : kind;
    const found = refusal(code, `Sensu's API: ${message}`, `${hint} (--api-url, --api-key-file)`);
    return { findings: [{ ...found, kind: ending }], sensuVersion };
  }
}

const withoutKey = note(
  'API_KEY_NOT_GIVEN',
  'Without an API key the migration ends without the proof that the backend serves the carried store.',
  'Give one with --api-key-file: sensuctl api-key grant admin makes one.',
);

const keyInClear = warning(
  'API_WITHOUT_TLS',
  'The API is reached without TLS: the API key crosses the network in clear.',
  'Give an https URL with --api-url, or run this on the host of the backend.',
);

function storeOf(found: string, wanted: string | undefined): Finding[] {
  if (wanted === undefined || found === wanted) return [];
  return [
    refusal(
      'API_OF_ANOTHER_STORE',
      `The API serves the store with the cluster id ${found}, and the embedded etcd has ${wanted}.`,
      'Check --api-url and --source-endpoints: both must lead to the backend of this host.',
    ),
  ];
}
