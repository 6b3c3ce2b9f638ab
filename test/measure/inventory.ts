// Measures what the inventory costs when an agent starts, and whether it delays the first heartbeat.
import { defaultHeartbeatTopic, heartbeatSubject } from '../../agent/protocol/subjects.ts';
import type { Connection } from '../../agent/transport/port.ts';
import type { NatsServer } from '../support/nats-server.ts';
import { openConnection } from '../support/open-connection.ts';
import type { InventoryReport } from './one-inventory.ts';
import { startAgent, withRequester } from './roles.ts';
import type { StandIns } from './stand-ins.ts';
import { errorOfMedian, median } from './statistics.ts';
import type { Figure } from './table.ts';
import { Worker } from './worker.ts';
import { newFolder } from './workplace.ts';

/** In each round, an agent starts once with each of `kinds`. */
const roundCount = 20;

const kinds = { ordinary: {}, hangs: { inventory: 'hangs' }, absent: { inventory: 'absent' } } as const;
type Kind = keyof typeof kinds;

/** Measures the CPU of an inventory, and how long the first heartbeat waits for one. */
export async function inventoryCost(): Promise<Figure[]> {
  const worker = new Worker<InventoryReport>(new URL('./one-inventory.ts', import.meta.url));
  const { cpuMs, timeMs } = await worker.next();
  await worker.end();
  const starts = await withRequester(startAgents);
  return [
    {
      what: 'agent: one inventory, CPU of all its processes',
      measured: cpuMs,
      unit: 'milliseconds',
      beside: `takes ${Math.round(timeMs)} ms; at start and once an hour, in a child of low priority`,
    },
    delay('an inventory', starts, 'ordinary'),
    delay('an inventory that hangs', starts, 'hangs'),
  ];
}

function delay(by: string, starts: readonly Record<Kind, number>[], kind: Kind): Figure {
  const delays = starts.map(start => start[kind] - start.absent);
  const all = Math.round(median(starts.map(start => start[kind])));
  return {
    what: `agent: first heartbeat, delayed by ${by}`,
    measured: median(delays),
    unit: 'milliseconds',
    budget: { atMost: 3 * errorOfMedian(delays) },
    beside: `of ${all} ms from exec; median of ${roundCount} pairs with none; budget: chance, 3 standard errors`,
  };
}

/** Returns the times from exec to the first heartbeat, in milliseconds, by kind, for each round. */
async function startAgents(broker: NatsServer): Promise<Record<Kind, number>[]> {
  const connection = await openConnection(broker.url, 'bench');
  const found: Record<Kind, number>[] = [];
  for (let round = 0; round < roundCount; round++) {
    const took = { ordinary: Number.NaN, hangs: Number.NaN, absent: Number.NaN };
    const order = Object.keys(kinds) as Kind[];
    // Each kind is first, second and last equally often.
    order.push(...order.splice(0, round % order.length));
    for (const kind of order) {
      took[kind] = await firstHeartbeat(`${kind}-${round}`, kinds[kind], broker, connection);
    }
    found.push(took);
  }
  await connection.close();
  return found;
}

async function firstHeartbeat(
  id: string,
  standIns: StandIns,
  broker: NatsServer,
  connection: Connection,
): Promise<number> {
  const { promise: received, resolve } = Promise.withResolvers<number>();
  const subject = heartbeatSubject(defaultHeartbeatTopic, id);
  const subscription = connection.subscribe(subject, () => resolve(performance.now()));
  const folder = await newFolder();
  const began = performance.now();
  const agent = await startAgent(id, folder, broker, { standIns });
  const ended = agent.finished.then(({ stderr }) => {
    throw new Error(`the agent ended before its first heartbeat:\n${stderr}`);
  });
  const at = await Promise.race([received, ended]);
  subscription.unsubscribe();
  ended.catch(() => undefined);
  await agent.stop();
  return at - began;
}
