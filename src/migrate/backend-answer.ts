import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../core/context.js';
import { FerryError } from '../core/errors.js';
import { createApiClient, type ApiClient } from '../sensu/api/client.js';
import type { RecordedSettings, Secrets } from './settings.js';
import type { MigrationSource } from './source.js';

type ApiSettings = Pick<RecordedSettings, 'apiUrl'>;

export interface ApiAddress {
  readonly url: string;
  /** In PEM. */
  readonly ca?: Buffer;
}

export function apiAddress({ apiUrl }: ApiSettings, source: MigrationSource): ApiAddress {
  return { url: apiUrl ?? source.apiUrl, ...(source.apiCa && { ca: source.apiCa }) };
}

export function apiOf(
  settings: ApiSettings,
  source: MigrationSource,
  secrets?: Pick<Secrets, 'apiKey'>,
): ApiClient {
  return createApiClient({
    ...apiAddress(settings, source),
    ...(secrets?.apiKey !== undefined && { apiKey: secrets.apiKey }),
  });
}

export async function isAnswering(settings: ApiSettings, source: MigrationSource): Promise<boolean> {
  return createApiClient({ ...apiAddress(settings, source), timeoutMs: 5000 })
    .version()
    .then(
      () => true,
      () => false,
    );
}

/** A connection that is refused costs next to nothing; while this is waited the backend serves nobody. */
const pollMs = 20;

/** Waits until the API answers, which it does only once the store can be read. */
export async function waitUntilAnswering(
  context: Context,
  settings: ApiSettings & Pick<RecordedSettings, 'startTimeoutSeconds'>,
  source: MigrationSource,
): Promise<void> {
  const api = apiOf(settings, source);
  const giveUpAt = performance.now() + settings.startTimeoutSeconds * 1000;
  for (;;) {
    try {
      await api.version();
      return;
    } catch (error) {
      context.signal.throwIfAborted();
      if (performance.now() > giveUpAt) throw notAnswering(settings, error);
    }
    await sleep(pollMs, undefined, { signal: context.signal });
  }
}

function notAnswering(settings: Pick<RecordedSettings, 'startTimeoutSeconds'>, cause: unknown): FerryError {
  const why = cause instanceof Error ? ` ${cause.message}` : '';
  return new FerryError({
    kind: 'unreachable',
    code: 'BACKEND_NOT_ANSWERING',
    message: `The backend did not answer within ${settings.startTimeoutSeconds} s of its start.${why}`,
    hint: 'Look at its log (journalctl -u sensu-backend), and check --api-url.',
    cause,
  });
}
