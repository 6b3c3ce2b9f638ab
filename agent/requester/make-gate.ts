// Makes what decides who is let in to the requester's own broker: its nodes, and the listeners.
import { Enrolment } from './enrolment/enrolment.ts';
import { Listeners } from './listeners/listeners.ts';
import { ownEvents, type PartsOptions } from './make-parts.ts';
import type { OpenStore } from './open-store.ts';

/**
 * Makes what decides who is let in to the requester's own broker. Returns undefined on another broker, whose operator
 * decides that.
 */
export function makeGate(
  options: PartsOptions,
  store: OpenStore,
): { enrolment: Enrolment; listeners: Listeners } | undefined {
  const { callout, self, settings, tokens = {}, approved = { publish: [], subscribe: [] } } = options;
  if (!callout) return undefined;
  const { cluster: bucket, stream, clusterId, peers } = store;
  const events = ownEvents(options, store);
  const listeners = new Listeners({ ...options, bucket, stream, events });
  const enrolment = new Enrolment({
    ...options,
    ...settings,
    callout,
    tokens,
    approved,
    admitListener: question => listeners.admit(question),
    events,
    bucket,
    requesterId: self.NodeID,
    clusterId,
    hasPeers: () => peers.mayHaveWritten,
  });
  return { enrolment, listeners };
}
