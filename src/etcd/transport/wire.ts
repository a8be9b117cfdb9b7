import type { LeaseId, Revision } from '../../store/view.js';

/** etcd3's proto loader gives numbers of 64 bits as decimal strings. */
export const revisionOf = (text: string): Revision => BigInt(text) as Revision;
export const leaseIdOf = (text: string): LeaseId => BigInt(text) as LeaseId;
