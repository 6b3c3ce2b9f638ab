// What is expected in a calm moment of either campaign: all processes run, every node is on the roll as the model says, and its
// last event tells the same.
import type { NodeView } from '../../agent/requester/directory/node-view.ts';
import type { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import type { Program } from '../support/program.ts';
import type { Crowd } from './crowd.ts';
import type { EventLedger } from './event-ledger.ts';
import type { Model, State } from './model.ts';

/** What is known of the nodes besides the roll. */
export interface Known {
  stage: {
    readonly agentIds: readonly string[];
    readonly cluster: Pick<Cluster, 'sentinel'>;
  };
  crowd: Pick<Crowd, 'isAlive'>;
  model: Model;
}

/**
 * Time until a calm cluster must be as the model says, in milliseconds. An agent whose registration became void again and
 * again waits for up to 2 min until it registers. Only a failure reaches this time.
 */
const calmMs = 180_000;

/** @throws Error when a process has ended of itself. */
export function expectAllRun(programs: readonly [name: string, Program][]): void {
  const ended = programs.filter(([, program]) => !program.running).map(([name]) => name);
  if (ended.length > 0) throw new Error(`ended without a signal of the campaign: ${ended.join()}`);
}

/** Resolves when `find` returns nothing. @throws Error with what it still returns after a time. */
export async function untilNoComplaints(find: () => Promise<string[]>): Promise<void> {
  let complaints: string[] = [];
  try {
    await eventually(
      'nothing is wrong',
      async () => {
        complaints = await find().catch(error => [String(error)]);
        return complaints.length === 0;
      },
      calmMs,
    );
  } catch (cause) {
    throw new Error(complaints.slice(0, 20).join('\n'), { cause });
  }
}

/**
 * Returns what is not yet as it must be `where` a roll shows these nodes: membership, health and sentinel of each, and nodes
 * that are neither in the model nor `isExpected`.
 */
export async function nodeComplaints(
  { stage, crowd, model }: Known,
  nodes: readonly NodeView[],
  where: string,
  isExpected: (id: string) => boolean,
): Promise<string[]> {
  const byId = new Map(nodes.map(node => [node.Info.NodeID, node]));
  const complaints: string[] = [];
  for (const id of model.ids) {
    const node = byId.get(id);
    const state = node?.Membership || 'absent';
    const possible = model.possible(id);
    if (!possible.has(state))
      complaints.push(`${id} is ${state} ${where}, but it must be ${[...possible].join(' or ')}`);
    const isAgent = stage.agentIds.includes(id);
    if (node && (isAgent || crowd.isAlive(id)) && node.Muster.Health !== 'HEALTHY')
      complaints.push(`${id} is alive, but ${node.Muster.Health} ${where}`);
    if (isAgent) complaints.push(...(await sentinelComplaints(stage.cluster, id, state)));
  }
  const strangers = [...byId.keys()].filter(id => !isExpected(id) && !model.ids.includes(id));
  return [...complaints, ...strangers.map(id => `${id} is ${where}, but nobody registered it`)];
}

/** Fixes the model to the memberships that were seen. */
export function settle(model: Model, nodes: readonly NodeView[]): void {
  const states = new Map<string, State>(nodes.map(node => [node.Info.NodeID, node.Membership || 'absent']));
  for (const id of model.ids) model.settle(id, states.get(id) ?? 'absent');
}

/** Returns the events that are missing, doubled or out of order, and nodes whose last event tells another membership. */
export function toldComplaints(model: Model, ledger: EventLedger): string[] {
  return model.ids.flatMap(id => {
    const announced = ledger.membershipOf(id) ?? 'absent';
    // An agent that was deleted may register at any time, so only the events tell which of the two it is.
    const possible = model.possible(id);
    const faults = ledger.faultsOf(id, model.doneDecisions(id));
    if (possible.has(announced)) return faults;
    return [...faults, `the last event of ${id} says ${announced}, but it is ${[...possible].join(' or ')}`];
  });
}

async function sentinelComplaints(cluster: Pick<Cluster, 'sentinel'>, id: string, state: State) {
  const says = (await cluster.sentinel(id))?.membership ?? 'nothing';
  // What a rejected agent keeps is its own affair: it asks again at each start.
  if (state === 'REJECTED' || says === (state === 'absent' ? 'nothing' : state)) return [];
  return [`the sentinel of ${id} says ${says}, but the roll says ${state}`];
}
