import type { Context } from '../core/context.js';
import type { StoreView } from '../store/view.js';
import { connectOptionsFrom, type ConnectionFlags } from './connection-options.js';

/** A store at one revision, and how to let go of it. */
export interface OpenedView {
  readonly view: StoreView;
  readonly close: () => Promise<void>;
}

/** The store of a running etcd. @throws FerryError as `connectOptionsFrom` and `connect` */
export async function openLiveStore(flags: ConnectionFlags, context: Context): Promise<OpenedView> {
  const options = await connectOptionsFrom(flags, context);
  const { connect } = await import('../etcd/connect.js');
  const { openLiveView } = await import('../etcd/live-view.js');
  const client = await connect(options);
  try {
    return { view: await openLiveView(client), close: () => client.close() };
  } catch (error) {
    await client.close();
    throw error;
  }
}
