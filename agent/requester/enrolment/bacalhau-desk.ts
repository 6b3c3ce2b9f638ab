// The desk tells operators what a node of Bacalhau needs to come in.
import type { BacalhauAccess } from '../../protocol/http-bacalhau.ts';
import { MusterError } from '../../system/errors.ts';
import type { Log } from '../../system/log.ts';
import type { Act } from '../events/requester-events.ts';
import type { BrokerAddresses } from './join-code-desk.ts';

export interface BacalhauDesk {
  /**
   * Returns what such a node needs, its token included. Who asked is logged. @throws MusterError `conflict` when no such node
   * is let in, or when the broker does not ask this requester whom to let in.
   */
  access(act: Act): Promise<BacalhauAccess>;
}

export interface BacalhauDeskOptions {
  log: Log;
  /** The token of nodes without a key; undefined when none are let in. */
  token: string | undefined;
  /** See JoinCodeDeskOptions. */
  addresses(): BrokerAddresses | undefined | Promise<BrokerAddresses | undefined>;
}

/** Returns the desk of a requester. */
export function bacalhauDesk({ log, token, addresses }: BacalhauDeskOptions): BacalhauDesk {
  return {
    async access(act) {
      const where = await addresses();
      if (!where) throw otherBroker();
      if (token === undefined) throw notLetIn();
      log.info({ ...act }, 'an operator was shown the token of nodes without a key');
      return { Servers: [...where.servers], Token: token, CA: where.ca ?? '', LocalOnly: where.localOnly };
    },
  };
}

const notLetIn = (): MusterError =>
  new MusterError('conflict', 'this requester lets in no nodes of Bacalhau', {
    hint: 'a node of Bacalhau has no key that could be checked: set requester.unverifiedNodes: true to let them in all the same, and restart the requester',
  });

const otherBroker = (): MusterError =>
  new MusterError(
    'conflict',
    'nodes of Bacalhau log in to the NATS that nats.servers names, and this requester does not know how',
    { hint: 'give the node the addresses and the credentials of that NATS' },
  );
