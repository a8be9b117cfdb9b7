import { FerryError } from '../../core/errors.js';
import type { ApiClient } from '../../sensu/api/client.js';
import type { Proof } from '../proof.js';
import type { Probe } from './probe.js';
import { Tally, type Weight } from './tally.js';

/** Asks the API for what only the store can tell; without a key, for its version. */
export class ApiProbe implements Probe {
  readonly #api: ApiClient;
  readonly #wantedId: string | undefined;
  readonly #tally: Tally;

  /** @param wantedId The cluster id of the carried store; undefined when there is no key to ask for it with. */
  constructor(api: ApiClient, wantedId: string | undefined) {
    this.#api = api;
    this.#wantedId = wantedId;
    this.#tally = new Tally(wantedId === undefined ? 'API answers (without a key)' : 'API takes the key');
  }

  async look(): Promise<readonly string[]> {
    const [seen, weight] = await this.#ask();
    if (seen === undefined) {
      this.#tally.succeeded();
      return [];
    }
    return this.#tally.failed(seen, weight) ? [`${this.#tally.what}: ${seen}`] : [];
  }

  proofs(): readonly Proof[] {
    return [this.#tally.proof()];
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #ask(): Promise<[seen: string | undefined, weight: Weight]> {
    try {
      if (this.#wantedId === undefined) {
        await this.#api.version();
        return [undefined, 'passing'];
      }
      const found = await this.#api.clusterId();
      return found === this.#wantedId
        ? [undefined, 'passing']
        : [`it serves the store ${found} instead of ${this.#wantedId}`, 'disproof'];
    } catch (error) {
      if (!(error instanceof FerryError)) throw error;
      return [error.message, mayPass(error) ? 'passing' : 'failure'];
    }
  }
}

/** While etcd elects a leader the API waits, or says that it failed. One that is not there is being restarted. */
function mayPass({ code }: FerryError): boolean {
  return code === 'API_TIMEOUT' || code === 'API_FAILED';
}
