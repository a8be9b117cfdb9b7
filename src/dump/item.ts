import type { StoredResource } from '../sensu/resources/to-api-resource.js';

/** What a source of a dump gives, resource by resource in the order of the dump. */
export type DumpItem =
  | ({
      readonly is: 'resource';
      readonly commercial: boolean;
      /** The source has hidden secrets already, as Sensu's API does. */
      readonly isMasked: boolean;
    } & StoredResource)
  /** A silence that had ended when the store was as it is: Sensu shows it no more. */
  | { readonly is: 'ended silence'; readonly namespace: string; readonly name: string }
  /** A type that was asked for and not given. */
  | { readonly is: 'skipped'; readonly type: string; readonly why: string }
  /** A value that cannot be decoded. The key is as it may be shown. */
  | { readonly is: 'unreadable'; readonly key: string; readonly why: string }
  /** Keys that no type of a dump holds. */
  | { readonly is: 'left out'; readonly group: string; readonly keys: number }
  /** The state of an entity that has no configuration: Sensu shows no such entity. */
  | { readonly is: 'half an entity'; readonly namespace: string; readonly name: string };
