// The checks of a calm moment of a cluster, when everything runs and nobody decides: both requesters show the roll that the
// decisions made, each event is there once and contradicts none, and nobody who was heard was called UNHEALTHY.
import type { CloudEvent } from '../../../agent/protocol/events.ts';
import type { NodeView } from '../../../agent/requester/directory/node-view.ts';
import {
  expectAllRun,
  type Known,
  nodeComplaints,
  settle,
  toldComplaints,
  untilNoComplaints,
} from '../calm.ts';
import type { Crowd } from '../crowd.ts';
import { EventLedger } from '../event-ledger.ts';
import { canaryPrefix } from './canaries.ts';
import { type ClusterStage, clockStepMs, disconnectedAfterMs } from './stage.ts';
import type { Witness } from './witness.ts';

export interface Checked extends Known {
  stage: ClusterStage;
  crowd: Crowd;
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

/**
 * Waits until everything is as the model says, and fixes the model to what was seen.
 * @throws Error with what is wrong.
 */
export async function checkCalm(checked: Checked): Promise<Found> {
  const { stage, model, crowd } = checked;
  expectAllRun(stage.programs);
  await stage.untilStored();
  for (const each of stage.requesters) await each.untilReady();
  const isExpected = (id: string) => stage.requesterIds.includes(id) || id.startsWith(canaryPrefix);
  let nodes: NodeView[] = [];
  await untilNoComplaints(async () => {
    const rolls = await Promise.all(stage.requesters.map(each => each.nodes()));
    nodes = rolls[0] ?? [];
    const complaints = await Promise.all(
      stage.requesters.map(({ id }, place) =>
        nodeComplaints(checked, rolls[place] ?? [], `at ${id}`, isExpected),
      ),
    );
    return complaints.flat();
  });
  settle(model, nodes);
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

/** Returns the events that are missing, doubled, out of order or contradicted. */
function eventComplaints({ stage, model }: Checked, lines: readonly string[]): string[] {
  const ledger = new EventLedger(...stage.requesterIds);
  for (const line of lines) ledger.add(Buffer.from(line));
  return [...ledger.faults, ...toldComplaints(model, ledger)];
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
