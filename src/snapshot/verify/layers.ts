import { CorruptFileError } from '../../etcd-files/corrupt.js';
import { FerryError } from '../../core/errors.js';

/** In the order in which they are looked at: each needs those before it. */
const layerNames = ['archive', 'trailer', 'pages', 'mvcc', 'sensu', 'digest', 'restore'] as const;

export type LayerName = (typeof layerNames)[number];

/** Where in the file, or in the store, as far as it can be told. */
export interface Place {
  readonly page?: number;
  /** Byte of the etcd snapshot, its trailer included. */
  readonly offset?: number;
  /** Decimal, with the number within its transaction behind a `_`. */
  readonly revision?: string;
  /** As it may be shown: names that are secrets are hidden. */
  readonly key?: string;
}

export interface Finding extends Place {
  readonly layer: LayerName;
  /** What is wrong there. Holds no secret. */
  readonly what: string;
}

export interface LayerResult {
  readonly layer: LayerName;
  /**
   * `absent` where a file has nothing of the kind, such as a plain snapshot a manifest; `skipped` where what was
   * found before leaves nothing to look at.
   */
  readonly status: 'ok' | 'failed' | 'absent' | 'skipped';
  /** What was looked at, such as `pages`. */
  readonly counts: Readonly<Record<string, number>>;
  /** What an operator should know and is no failure. */
  readonly notes: readonly string[];
  /** The first of them. */
  readonly findings: readonly Finding[];
  /** How many there are. */
  readonly found: number;
}

/** More of one layer would not tell more. */
const mostFindings = 20;

/** Gathers what one layer says. */
export class LayerRecord {
  readonly layer: LayerName;
  counts: Readonly<Record<string, number>> = {};
  readonly notes: string[] = [];
  readonly #findings: Finding[] = [];
  #found = 0;
  #looked: 'absent' | 'skipped' | 'looked' = 'skipped';

  constructor(layer: LayerName) {
    this.layer = layer;
  }

  get found(): number {
    return this.#found;
  }

  find(what: string, place: Place = {}): void {
    this.#looked = 'looked';
    this.#found += 1;
    if (this.#findings.length < mostFindings) this.#findings.push({ layer: this.layer, what, ...place });
  }

  absent(): void {
    this.#looked = 'absent';
  }

  /** Does the work of the layer. A file that is damaged so that it cannot be read further is a finding. */
  async look<Result>(work: () => Result | Promise<Result>): Promise<Result | undefined> {
    if (this.#looked === 'skipped') this.#looked = 'looked';
    try {
      return await work();
    } catch (error) {
      const what = damageIn(error);
      if (what === undefined) throw error;
      this.find(what);
      return undefined;
    }
  }

  result(): LayerResult {
    const { layer, counts, notes } = this;
    const status = this.#looked === 'looked' ? (this.#found === 0 ? 'ok' : 'failed') : this.#looked;
    return { layer, status, counts, notes, findings: this.#findings, found: this.#found };
  }
}

/** What a reader says of a file that is damaged, or no such file; undefined for any other error. */
function damageIn(error: unknown): string | undefined {
  const reason = error instanceof FerryError && error.cause instanceof CorruptFileError ? error.cause : error;
  if (reason instanceof CorruptFileError) return reason.what;
  if (!(error instanceof FerryError)) return undefined;
  if (error.kind === 'integrity' || error.code === 'NOT_AN_ARCHIVE') return error.message.replace(/\.$/, '');
  return undefined;
}

export type Layers = Readonly<Record<LayerName, LayerRecord>>;

export function newLayers(): Layers {
  return Object.fromEntries(layerNames.map((name) => [name, new LayerRecord(name)])) as Record<
    LayerName,
    LayerRecord
  >;
}
