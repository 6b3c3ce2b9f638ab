// Ends the connections of clients whose question nobody heard, because the requester was not at its broker. They would wait
// for ten seconds, and come again at once when their connection ends.
import type { AccountKeys } from '../../protocol/account-keys.ts';
import { readConnectionName } from '../../protocol/connection-name.ts';
import { type Clock, sleep } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import type { Connection, Subscription } from '../../transport/port.ts';
import { type BrokerClient, endClient, listWaiting } from './broker-clients.ts';
import { nodeKeyOf } from './live-connection.ts';

export interface UnansweredClientsOptions {
  connection: Connection;
  /** The accounts on a NATS with an operator. */
  accounts?: AccountKeys | undefined;
  clock: Clock;
  log: Log;
}

/** Time in which a question that was heard is answered, in milliseconds. */
const answeredMs = 500;

/** Ends such connections now, and whenever the requester comes back to its broker. */
export function endUnansweredClients(options: UnansweredClientsOptions): Subscription {
  const { connection } = options;
  const stopping = new AbortController();
  void endThem(options, stopping.signal);
  const states = connection.onState(({ kind }) => {
    if (kind === 'connected') void endThem(options, stopping.signal);
  });
  return {
    unsubscribe: () => {
      stopping.abort();
      states.unsubscribe();
    },
  };
}

async function endThem(
  { connection, accounts, clock, log }: UnansweredClientsOptions,
  signal: AbortSignal,
): Promise<void> {
  try {
    const before = new Set((await listNodes(connection, accounts)).map(placeOf));
    // Who is in the list only because the answer is on its way is not in the next list.
    await sleep(clock, answeredMs, signal);
    if (signal.aborted || before.size === 0) return;
    const still = (await listNodes(connection, accounts)).filter(client => before.has(placeOf(client)));
    await Promise.all(still.map(client => endClient(connection, client)));
    if (still.length > 0) log.debug({ clients: still.length }, 'clients that nobody answered try again');
  } catch (err) {
    // They try again by themselves, later.
    log.debug({ err }, 'the clients that nobody answered could not be listed');
  }
}

// A NATS of one's own may have clients of others in this account. Only nodes have such a name and show a key.
const listNodes = async (connection: Connection, accounts?: AccountKeys): Promise<BrokerClient[]> =>
  (await listWaiting(connection, accounts)).filter(
    ({ name, user }) => readConnectionName(name) !== undefined && nodeKeyOf(user) !== undefined,
  );

const placeOf = ({ server, connection }: BrokerClient) => `${server} ${connection}`;
