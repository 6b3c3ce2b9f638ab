// Opens what decides who is let in to the requester's own broker.
import { Enrolment } from './enrolment/enrolment.ts';
import { ownEvents, type PartsOptions } from './make-parts.ts';
import type { OpenStore } from './open-store.ts';

/**
 * Reads who is let in to the requester's own broker. Returns undefined on another broker, whose operator decides that.
 * @throws BrokerError
 */
export async function openEnrolment(options: PartsOptions, store: OpenStore): Promise<Enrolment | undefined> {
  const { callout, self, settings, tokens = {}, approved = { publish: [], subscribe: [] } } = options;
  if (!callout) return undefined;
  const { cluster: bucket, lease } = store;
  return Enrolment.open({
    ...options,
    ...settings,
    callout,
    tokens,
    approved,
    events: ownEvents(options, store),
    bucket,
    lease,
    requesterId: self.NodeID,
  });
}
