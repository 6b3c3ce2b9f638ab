// The checks of a calm moment of a cluster, when everything runs and nobody decides: both requesters show the roll that the
// decisions made, each event is there once and contradicts none, and nobody who was heard was called UNHEALTHY.
import type { CloudEvent } from '../../../agent/protocol/events.ts';
import type { NodeView } from '../../../agent/requester/directory/node-view.ts';
import { eventually } from '../../support/eventually.ts';
import type { Crowd } from '../crowd.ts';
import { EventLedger } from '../event-ledger.ts';
import type { Model, State } from '../model.ts';
import { canaryPrefix } from './canaries.ts';
import type { Requester } from './requester.ts';
import { type ClusterStage, clockStepMs, disconnectedAfterMs } from './stage.ts';
import type { Witness } from './witness.ts';

export interface Checked {
  stage: ClusterStage;
  crowd: Crowd;
  model: Model;
  witness: Witness;
  /** The ids of the events that were compared with what the witness heard. */
  compared: Set<string>;
}

/** What a check found besides faults. */
export interface Found {
  /** How much later than due each verdict about a canary was told, in milliseconds. */
  lateMs: number[];
  /** Number of events in the stream. */
  events: number;
}

/** Time until a calm cluster must be as the model says, in milliseconds. Only a failure reaches it. */
const calmMs = 180_000;

/**
 * Waits until everything is as the model says, and fixes the model to what was seen.
 * @throws Error with what is wrong.
 */
export async function checkCalm(checked: Checked): Promise<Found> {
  const { stage, model, crowd } = checked;
  const ended = stage.programs.filter(([, program]) => !program.running).map(([name]) => name);
  if (ended.length > 0) throw new Error(`ended without a signal of the campaign: ${ended.join()}`);
  await stage.untilStored();
  for (const each of stage.requesters) await each.untilReady();
  let nodes: NodeView[] = [];
  await untilNoComplaints(async () => {
    const rolls = await Promise.all(stage.requesters.map(each => each.nodes()));
    nodes = rolls[0] ?? [];
    const complaints = await Promise.all(
      stage.requesters.map((each, place) => rollComplaints(checked, each, rolls[place] ?? [])),
    );
    return complaints.flat();
  });
  const states = new Map<string, State>(nodes.map(node => [node.Info.NodeID, node.Membership || 'absent']));
  for (const id of model.ids) model.settle(id, states.get(id) ?? 'absent');
  let events: CloudEvent[] = [];
  await untilNoComplaints(async () => {
    const [one = [], other = []] = await Promise.all(stage.requesters.map(each => each.events()));
    events = one.map(line => JSON.parse(line) as CloudEvent);
    if (one.join('\n') !== other.join('\n')) return ['the requesters do not show the same events'];
    return eventComplaints(checked, one);
  });
  const lateMs = compareWithWitness(checked, events);
  const unasked = crowd.unasked.splice(0);
  crowd.unsure.clear();
  if (unasked.length > 0)
    throw new Error(`were told to register again, and nobody asked for that: ${unasked.join()}`);
  return { lateMs, events: events.length };
}

/** Returns what is not as it must be on the roll that a requester shows. */
async function rollComplaints(
  { stage, crowd, model }: Checked,
  { id: requester }: Requester,
  nodes: readonly NodeView[],
): Promise<string[]> {
  const byId = new Map(nodes.map(node => [node.Info.NodeID, node]));
  const complaints: string[] = [];
  for (const id of model.ids) {
    const node = byId.get(id);
    const state = node?.Membership || 'absent';
    const possible = model.possible(id);
    if (!possible.has(state))
      complaints.push(`${id} is ${state} at ${requester}, but it must be ${[...possible].join(' or ')}`);
    const isAgent = stage.agentIds.includes(id);
    if (node && (isAgent || crowd.isAlive(id)) && node.Muster.Health !== 'HEALTHY')
      complaints.push(`${id} is alive, but ${node.Muster.Health} at ${requester}`);
    if (isAgent) complaints.push(...(await sentinelComplaints(stage, id, state)));
  }
  const known = (id: string) =>
    stage.requesterIds.includes(id) || id.startsWith(canaryPrefix) || model.ids.includes(id);
  const strangers = [...byId.keys()].filter(id => !known(id));
  return [...complaints, ...strangers.map(id => `${id} is at ${requester}, but nobody registered it`)];
}

async function sentinelComplaints(stage: ClusterStage, id: string, state: State): Promise<string[]> {
  const says = (await stage.cluster.sentinel(id))?.membership ?? 'nothing';
  if (state === 'REJECTED' || says === (state === 'absent' ? 'nothing' : state)) return [];
  return [`the sentinel of ${id} says ${says}, but the roll says ${state}`];
}

/** Returns the events that are missing, doubled, out of order or contradicted. */
function eventComplaints({ stage, model }: Checked, lines: readonly string[]): string[] {
  const ledger = new EventLedger(...stage.requesterIds);
  for (const line of lines) ledger.add(Buffer.from(line));
  const told = model.ids.flatMap(id => {
    const announced = ledger.membershipOf(id) ?? 'absent';
    const agrees = model.possible(id).has(announced);
    return [
      ...ledger.faultsOf(id, model.doneDecisions(id)),
      ...(agrees
        ? []
        : [`the last event of ${id} says ${announced}, but it is ${[...model.possible(id)].join()}`]),
    ];
  });
  return [...ledger.faults, ...told];
}

/**
 * Compares each new verdict with the heartbeats that reached a server, and returns how late those about canaries were.
 * @throws Error when a node was called silent that was heard.
 */
function compareWithWitness({ crowd, witness, compared }: Checked, events: readonly CloudEvent[]): number[] {
  const lateMs: number[] = [];
  const faults: string[] = [];
  for (const event of events) {
    if (compared.has(event.id)) continue;
    compared.add(event.id);
    const kind = event.type.replace('org.muster.node.', '');
    if (kind !== 'unhealthy' || crowd.unsure.has(event.subject)) continue;
    const told = toldAt(event);
    const fault = witness.faultOf(event, told, disconnectedAfterMs);
    if (fault !== undefined) faults.push(fault);
    const last = witness.lastBefore(event.subject, told);
    if (event.subject.startsWith(canaryPrefix) && last !== undefined)
      lateMs.push(told - last - disconnectedAfterMs);
  }
  if (faults.length > 0) throw new Error(faults.join('\n'));
  return lateMs;
}

/** Returns when an event was told. A clock that the campaign has set is wrong by whole steps. */
function toldAt({ time }: CloudEvent): number {
  const now = Date.now();
  return Date.parse(time) - Math.round((Date.parse(time) - now) / clockStepMs) * clockStepMs;
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
    throw new Error(complaints.slice(0, 20).join('\n'), { cause });
  }
}
