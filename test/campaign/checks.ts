// The checks of a calm moment, when all processes run and nobody decides: the roll, health, sentinels, events and processes.
import type { NodeView } from '../../agent/requester/directory/node-view.ts';
import { eventually } from '../support/eventually.ts';
import type { Crowd } from './crowd.ts';
import type { EventLedger } from './event-ledger.ts';
import type { Model, State } from './model.ts';
import { inventedPrefix } from './newcomers.ts';
import { requesterId, type Stage } from './stage.ts';

export interface Checked {
  stage: Stage;
  crowd: Crowd;
  model: Model;
  ledger: EventLedger;
}

/**
 * Time until a calm cluster must be as the model says, in milliseconds. An agent whose registration became void again and
 * again waits for up to 2 min until it registers. Only a failure reaches this time.
 */
const calmMs = 180_000;

/**
 * Waits until everything is as the model says, and fixes the model to what was seen.
 * @throws Error with what is wrong.
 */
export async function checkCalm(checked: Checked): Promise<void> {
  const { stage, model, ledger } = checked;
  const ended = stage.programs.filter(([, program]) => !program.running).map(([name]) => name);
  if (ended.length > 0) throw new Error(`ended without a signal of the campaign: ${ended.join()}`);
  await stage.untilReady();
  let nodes: NodeView[] = [];
  await untilNoComplaints(async () => {
    nodes = await stage.cluster.nodes();
    return await nodeComplaints(checked, nodes);
  });
  const states = new Map<string, State>(nodes.map(node => [node.Info.NodeID, node.Membership || 'absent']));
  for (const id of model.ids) model.settle(id, states.get(id) ?? 'absent');
  await untilNoComplaints(() => commandComplaints(stage));
  await untilNoComplaints(async () => eventComplaints(checked));
  if (ledger.faults.length > 0) throw new Error(ledger.faults.join('\n'));
}

/** Returns the events that are missing, doubled or out of order, and nodes whose last event tells another membership. */
function eventComplaints({ model, ledger }: Checked): string[] {
  return model.ids.flatMap(id => {
    const [state] = model.possible(id);
    const announced = ledger.membershipOf(id) ?? 'absent';
    // An agent that was deleted may register at any time, so only the events tell which of the two it is.
    const agrees = model.possible(id).has(announced);
    return [
      ...ledger.faultsOf(id, model.doneDecisions(id)),
      ...(agrees ? [] : [`the last event of ${id} says ${announced}, but the roll says ${state}`]),
    ];
  });
}

/** Returns what is not yet as it must be: membership, health and sentinel of each node. */
async function nodeComplaints(
  { stage, crowd, model }: Checked,
  nodes: readonly NodeView[],
): Promise<string[]> {
  const byId = new Map(nodes.map(node => [node.Info.NodeID, node]));
  const complaints: string[] = [];
  for (const id of model.ids) {
    const node = byId.get(id);
    const state = node?.Membership || 'absent';
    const possible = model.possible(id);
    if (!possible.has(state))
      complaints.push(`${id} is ${state} on the roll, but it must be ${[...possible].join(' or ')}`);
    const isAgent = stage.agentIds.includes(id);
    if (node && (isAgent || crowd.isAlive(id)) && node.Muster.Health !== 'HEALTHY')
      complaints.push(`${id} is alive, but ${node.Muster.Health} on the roll`);
    if (isAgent) complaints.push(...(await sentinelComplaints(stage, id, state)));
  }
  return [...complaints, ...strangers(nodes, model)];
}

async function sentinelComplaints(stage: Stage, id: string, state: State): Promise<string[]> {
  const sentinel = await stage.cluster.sentinel(id);
  const says = sentinel?.membership ?? 'nothing';
  const expected = state === 'absent' || state === 'REJECTED' ? undefined : state;
  // What a rejected agent keeps is its own affair: it asks again at each start.
  if (state === 'REJECTED' || says === (expected ?? 'nothing')) return [];
  return [`the sentinel of ${id} says ${says}, but the roll says ${state}`];
}

const strangers = (nodes: readonly NodeView[], model: Model): string[] =>
  nodes
    .map(node => node.Info.NodeID)
    .filter(id => id !== requesterId && !id.startsWith(inventedPrefix) && !model.ids.includes(id))
    .map(id => `${id} is on the roll, but nobody registered it`);

/** Returns whether `muster node list` shows another roll than the API. */
async function commandComplaints(stage: Stage): Promise<string[]> {
  const { code, stdout, stderr } = await stage.cluster.command('node', 'list', '-o', 'json');
  if (code !== 0) return [`muster node list ended with ${code}: ${stderr}`];
  const rolls = [JSON.parse(stdout) as NodeView[], await stage.cluster.nodes()];
  const [listed, answered] = rolls.map(nodes =>
    nodes.map(node => `${node.Info.NodeID} ${node.Membership}`).join(),
  );
  return listed === answered ? [] : [`muster node list shows ${listed}, but the API says ${answered}`];
}

async function untilNoComplaints(find: () => Promise<string[]>): Promise<void> {
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
    throw new Error(complaints.join('\n'), { cause });
  }
}
