import type { Context } from '../../core/context.js';
import type { StoreView } from '../../store/view.js';
import { connectOptionsFrom, type ConnectionFlags } from './connection.js';

/** A store to read, and how to let go of it. */
export interface StoreToRead {
  /** Gives the store at one revision to the reader, which may be called again: see `readLive`. */
  readonly read: <Result>(reader: (view: StoreView) => Promise<Result>) => Promise<Result>;
  readonly close: () => Promise<void>;
}

/** The store of a running etcd. @throws FerryError as `connectOptionsFrom` and `connect` */
export async function openLiveStore(flags: ConnectionFlags, context: Context): Promise<StoreToRead> {
  const options = await connectOptionsFrom(flags, context);
  const { connect } = await import('../../etcd/connect.js');
  const { readLive } = await import('../../etcd/read-live.js');
  const client = await connect(options);
  return { read: (reader) => readLive(context, client, reader), close: () => client.close() };
}
