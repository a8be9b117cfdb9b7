/** What two stores hold under one key; at least one side is there. */
export interface KeyPair<A, B> {
  readonly key: Buffer;
  readonly left: A | undefined;
  readonly right: B | undefined;
}

interface Keyed {
  readonly key: Buffer;
}

/** Pairs two lists that are in key order, each key once. */
export function pairByKey<A extends Keyed, B extends Keyed>(
  left: readonly A[],
  right: readonly B[],
): KeyPair<A, B>[] {
  const pairs: KeyPair<A, B>[] = [];
  let i = 0;
  let j = 0;
  while (i < left.length || j < right.length) {
    const a = left[i];
    const b = right[j];
    const order = a === undefined ? 1 : b === undefined ? -1 : a.key.compare(b.key);
    pairs.push({
      key: order <= 0 ? a!.key : b!.key,
      left: order <= 0 ? a : undefined,
      right: order >= 0 ? b : undefined,
    });
    if (order <= 0) i += 1;
    if (order >= 0) j += 1;
  }
  return pairs;
}

/** Pairs two stores while they are read, holding no more than a batch of each. */
export async function* mergeByKey<A extends Keyed, B extends Keyed>(
  left: AsyncIterable<readonly A[]>,
  right: AsyncIterable<readonly B[]>,
): AsyncGenerator<KeyPair<A, B>[]> {
  const a = new Side(left);
  const b = new Side(right);
  try {
    for (;;) {
      await Promise.all([a.fill(), b.fill()]);
      const limit = lesser(a.lastKey, b.lastKey);
      if (limit === undefined) return;
      yield pairByKey(a.takeUpTo(limit), b.takeUpTo(limit));
    }
  } finally {
    await Promise.all([a.close(), b.close()]);
  }
}

/** Only keys up to the lesser of both batches' ends can be paired: what follows may still come on one side. */
function lesser(a: Buffer | undefined, b: Buffer | undefined): Buffer | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a.compare(b) <= 0 ? a : b;
}

class Side<T extends Keyed> {
  readonly #iterator: AsyncIterator<readonly T[]>;
  #pending: readonly T[] = [];

  constructor(source: AsyncIterable<readonly T[]>) {
    this.#iterator = source[Symbol.asyncIterator]();
  }

  get lastKey(): Buffer | undefined {
    return this.#pending.at(-1)?.key;
  }

  async fill(): Promise<void> {
    while (this.#pending.length === 0) {
      const next = await this.#iterator.next();
      if (next.done === true) return;
      this.#pending = next.value;
    }
  }

  takeUpTo(limit: Buffer): readonly T[] {
    const rest = this.#pending.findIndex((item) => item.key.compare(limit) > 0);
    const taken = rest < 0 ? this.#pending : this.#pending.slice(0, rest);
    this.#pending = rest < 0 ? [] : this.#pending.slice(rest);
    return taken;
  }

  async close(): Promise<void> {
    await this.#iterator.return?.();
  }
}
