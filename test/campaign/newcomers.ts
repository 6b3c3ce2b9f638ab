// Newcomers: nodes that nobody knows, each with a key of its own. A join code of many uses lets them in, and they misbehave.
import { setTimeout as pause } from 'node:timers/promises';
import type { SeededRandom } from '../support/seeded-random.ts';
import { type Entrance, SimulatedNode } from '../support/simulated-node.ts';
import { maxPending, type Stage } from './stage.ts';

/** The ids that floods invent begin with this. The model knows none of them. */
export const inventedPrefix = 'flood-';

export interface NewcomerContext {
  random: SeededRandom;
  stage: Pick<Stage, 'newEntrance'>;
  /** How a few newcomers come in while the requester may be away. */
  entrance: Entrance;
  onSent(messages: number): void;
}

/** Number of newcomers that come in at the same time. */
const atOnce = 20;
/** Number of newcomers that take turns, and time that they wait for an answer to their login, in milliseconds. */
const few = 8;
const loginMs = 10_000;
/** Messages that are sent before the broker must have taken them. It limits the bytes that wait for one client. */
const batch = 200;

/** Each of these nodes registers once, and is never heard again. */
export async function inventNodes(context: NewcomerContext): Promise<void> {
  const { random, stage, onSent } = context;
  const entrance = await stage.newEntrance();
  const first = random.below(1e6) * 1_000;
  const ids = Array.from({ length: maxPending * 3 }, (_, index) => `${inventedPrefix}${first + index}`);
  const registerNext = async () => {
    for (let id = ids.shift(); id !== undefined; id = ids.shift()) {
      const node = new SimulatedNode(id, entrance);
      await untilLetIn(node);
      await node.ask('RegisterNode/v1');
      await node.close();
      onSent(1);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, registerNext));
}

/** Nodes that wait for approval change a label with each message. */
export async function alternateLabels(context: NewcomerContext): Promise<void> {
  let number = 0;
  await misbehave(context, 'label', 6_000, node =>
    node.send('UpdateNodeInfo/v1', { turn: String(number++) }),
  );
}

/** Nodes that wait for approval send Leave and a heartbeat in turn. */
export async function leaveAndReturn(context: NewcomerContext): Promise<void> {
  let number = 0;
  await misbehave(context, 'leave', 10_000, node =>
    Math.floor(number++ / few) % 2 === 0 ? node.send('Leave/v1') : node.beat(),
  );
}

async function misbehave(
  { random, entrance, onSent }: NewcomerContext,
  what: string,
  messages: number,
  send: (node: SimulatedNode) => void,
): Promise<void> {
  const first = random.below(1e6);
  const nodes = Array.from(
    { length: few },
    (_, index) => new SimulatedNode(`${inventedPrefix}${what}-${first + index}`, entrance),
  );
  await Promise.all(
    nodes.map(async node => {
      await untilLetIn(node);
      // A node whose request gets no answer takes part without a session.
      await node.ask('RegisterNode/v1');
    }),
  );
  for (let sent = 0; sent < messages; sent += batch) {
    for (let index = 0; index < batch; index++) send(nodes[index % few] as SimulatedNode);
    onSent(batch);
    // While the broker is away, the messages are dropped, and the flood goes on.
    await Promise.all(nodes.map(({ connection }) => connection.flush(2_000))).catch(() => pause(50));
  }
  await Promise.all(nodes.map(node => node.close()));
}

// The broker may be away, and then the newcomer does without.
const untilLetIn = (node: SimulatedNode): Promise<unknown> =>
  node.connection.connected(AbortSignal.timeout(loginMs)).catch(() => undefined);
