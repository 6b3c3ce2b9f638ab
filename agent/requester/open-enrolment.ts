// Opens what decides who is let in to the requester's own broker: its nodes, and the listeners.
import { Enrolment } from './enrolment/enrolment.ts';
import { Listeners } from './listeners/listeners.ts';
import { ownEvents, type PartsOptions } from './make-parts.ts';
import type { OpenStore } from './open-store.ts';

/**
 * Reads who is let in to the requester's own broker. Returns undefined on another broker, whose operator decides that.
 * @throws BrokerError
 */
export async function openEnrolment(
  options: PartsOptions,
  store: OpenStore,
): Promise<{ enrolment: Enrolment; listeners: Listeners } | undefined> {
  const { callout, self, settings, tokens = {}, approved = { publish: [], subscribe: [] } } = options;
  if (!callout) return undefined;
  const { cluster: bucket, stream, lease } = store;
  const events = ownEvents(options, store);
  const listeners = await Listeners.open({ ...options, bucket, stream, events });
  const enrolment = await Enrolment.open({
    ...options,
    ...settings,
    callout,
    tokens,
    approved,
    admitListener: question => listeners.admit(question),
    events,
    bucket,
    lease,
    requesterId: self.NodeID,
  });
  return { enrolment, listeners };
}
