// The desk makes, lists and revokes listeners for operators. It adds what only a running requester knows: where its brokers
// are, and by which CA a program recognises them.
import type { CreatedListener, ListenerView } from '../../protocol/http-listeners.ts';
import { durableInbox } from '../../protocol/listener.ts';
import { eventStreamName } from '../../protocol/subjects.ts';
import { MusterError } from '../../system/errors.ts';
import type { BrokerAddresses } from '../enrolment/join-code-desk.ts';
import type { Act } from '../events/requester-events.ts';
import { notFound } from './listener-faults.ts';
import type { Listeners, NewListener } from './listeners.ts';

/** All methods throw MusterError `unreachable` while the requester starts. */
export interface ListenerDesk {
  /** Makes a listener. Only its answer has the token. @throws MusterError as `Listeners.create`; `conflict` in shared mode. */
  create(order: NewListener, act: Act): Promise<CreatedListener>;
  /** Returns the listeners, sorted by name. */
  list(): Promise<ListenerView[]>;
  /** Revokes a listener. @throws MusterError as `Listeners.revoke`. */
  revoke(name: string, act: Act): Promise<void>;
}

export interface ListenerDeskOptions {
  /** Returns the listeners; undefined in shared mode. Throws MusterError `unreachable` while the requester is not ready. */
  listeners(): Pick<Listeners, 'create' | 'list' | 'revoke' | 'isWorkOpen'> | undefined;
  /** Returns where listeners find the broker; undefined when it does not ask this requester whom to let in. */
  addresses(): BrokerAddresses | undefined | Promise<BrokerAddresses | undefined>;
}

/** Returns the desk of a requester. */
export function listenerDesk({ listeners, addresses }: ListenerDeskOptions): ListenerDesk {
  return {
    async create(order, act) {
      const kept = listeners();
      const where = await addresses();
      if (!kept || !where) throw sharedMode();
      const { token, record } = await kept.create(order, act);
      return {
        Name: order.name,
        Token: token,
        Servers: [...where.servers],
        CA: where.ca ?? '',
        Stream: eventStreamName,
        Durable: record.durable,
        InboxPrefix: durableInbox(record.durable),
        ...(record.expires ? { Expires: record.expires } : {}),
        LocalOnly: where.localOnly,
        ...(record.work ? { WorkOpen: kept.isWorkOpen } : {}),
      };
    },
    list: async () => (await listeners()?.list()) ?? [],
    async revoke(name, act) {
      const kept = listeners();
      if (!kept) throw notFound(name);
      await kept.revoke(name, act);
    },
  };
}

const sharedMode = (): MusterError =>
  new MusterError(
    'conflict',
    'the NATS that nats.servers names does not ask this requester whom to let in, so it can make no listener there',
    {
      hint: 'let that NATS ask this requester, by what this prints: muster broker config; or have its operator give the program a user that may read the stream NODE_EVENTS',
    },
  );
