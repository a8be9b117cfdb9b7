/** A type of which resources that may be there are not in a dump. */
export interface SkippedType {
  readonly type: string;
  readonly apiVersion: string;
  /** The namespaces that it was read in nevertheless; absent when in none. */
  readonly readIn?: readonly string[];
  /** The user may not read it, the backend has no licence for it, the release does not have it, or this program no path. */
  readonly reason: 'permission' | 'licence' | 'missing' | 'unknown';
}

/** What a source gives beside resources: complete once all of them have been read. */
export interface SkipList {
  readonly skipped: readonly SkippedType[];
}
