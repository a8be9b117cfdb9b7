import type { Context } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';
import type { DumpItem } from '../../dump/item.js';
import type { Selection } from '../../dump/selection.js';
import type { ServerSource } from '../../dump/sources/server.js';
import type { ApiConnectionOptions } from '../../sensu/api/connection.js';
import type { FileView } from '../../at-rest/store-view.js';
import { apiConnectionFrom, type ApiFlags } from './api.js';
import type { ConnectionFlags } from './connection.js';
import type { DataDirFlags } from './data-dir.js';
import { openLiveStore, type StoreToRead } from './live-store.js';
import { openAtRest, type SourceFlags } from './source.js';

export interface DumpSourceFlags extends SourceFlags, ConnectionFlags, DataDirFlags, ApiFlags {
  readonly from?: string;
  readonly sensuctl?: boolean;
  readonly withSecrets?: boolean;
}

export interface DumpSource {
  /** Gives what the source holds to the writer, which may be called again: see `readLive`. */
  readonly read: <Result>(writer: (items: AsyncIterable<DumpItem>) => Promise<Result>) => Promise<Result>;
  readonly close: () => Promise<void>;
  /** Whether something was said of it that the operator must look at. */
  readonly warned: boolean;
}

/** Exactly one source is named; the variable of etcdctl counts where none is. */
export async function openSource(
  context: Context,
  flags: DumpSourceFlags,
  selection: Selection,
): Promise<DumpSource> {
  const api = await apiConnectionFrom(flags, context);
  const sources = [flags.from, flags.dataDir, flags.endpoints, api, flags.sensuctl];
  const named = sources.filter((source) => source !== undefined).length;
  if (named > 1) throw unclear('Several sources are named for one dump.');
  if (api !== undefined || flags.sensuctl === true) return openServer(context, flags, selection, api);
  if (named === 0 && context.env['ETCDCTL_ENDPOINTS'] === undefined) throw unclear('A dump needs a source.');
  const { dumpStore } = await import('../../dump/sources/store.js');
  const { store, takenAt, warned } = await openStoreOf(context, flags);
  return {
    read: (writer) => store.read((view) => writer(dumpStore(view, selection, context, takenAt))),
    close: store.close,
    warned,
  };
}

async function openServer(
  context: Context,
  flags: DumpSourceFlags,
  selection: Selection,
  api: ApiConnectionOptions | undefined,
): Promise<DumpSource> {
  if (flags.withSecrets === true) throw secretsNotShown();
  const { dumpServer } = await import('../../dump/sources/server.js');
  const sourceOf = (server: ServerSource): DumpSource => ({
    read: (writer) => writer(dumpServer(server, selection)),
    close: () => Promise.resolve(),
    warned: false,
  });
  if (api === undefined) {
    const { SensuctlSource } = await import('../../dump/sources/sensuctl.js');
    return sourceOf(new SensuctlSource(context, selection));
  }
  const { ApiSource } = await import('../../dump/sources/api.js');
  const { connectApi } = await import('../../sensu/api/connection.js');
  return sourceOf(new ApiSource(connectApi(api), selection));
}

interface FoundStore extends Pick<DumpSource, 'warned'> {
  readonly store: StoreToRead;
  /** When it was as it is; an etcd snapshot and the files of a stopped etcd do not tell. */
  readonly takenAt: Date | undefined;
}

async function openStoreOf(context: Context, flags: DumpSourceFlags): Promise<FoundStore> {
  if (flags.dataDir === undefined && flags.from === undefined) {
    return { store: await openLiveStore(flags, context), takenAt: context.clock.now(), warned: false };
  }
  const view = await openAtRest(flags, context);
  const { manifest, stopped } = view;
  const { warnOfStopped } = await import('../words/stopped-members.js');
  return {
    store: storeOf(view),
    takenAt: manifest && new Date(manifest.createdAt),
    warned: stopped !== undefined && warnOfStopped(stopped, context.report),
  };
}

function storeOf(view: FileView): StoreToRead {
  return {
    read: (reader) => reader(view),
    close: () => {
      view.close();
      return Promise.resolve();
    },
  };
}

function unclear(message: string): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'SOURCE_UNCLEAR',
    message,
    hint: 'Give one of --from FILE, --data-dir FOLDER, --endpoints URLS, --api-url URL, and --sensuctl.',
  });
}

function secretsNotShown(): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'SECRETS_NOT_SHOWN',
    message: "Sensu's API shows no secrets, so there are none for --with-secrets.",
    hint: 'Dump a store, with --from or --endpoints, or leave out --with-secrets.',
  });
}
