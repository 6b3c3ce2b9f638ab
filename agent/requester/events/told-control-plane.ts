// Reads from the events of a node what the control plane gave it besides its membership: its labels, and its cordon. The record
// says that otherwise; this is for one that the store lost.
import type { Cordon } from '../../protocol/cordon.ts';
import { labelRule, pairFault } from '../../protocol/label.ts';
import type { LabelOrigin } from '../../protocol/label-schema.ts';
import { isGoTime } from '../../protocol/node-info.ts';
import { maxFormerIds } from '../../protocol/rename.ts';
import { nodeIdPattern } from '../../protocol/schema.ts';
import { eventSubject } from '../../protocol/subjects.ts';
import type { EventStream } from '../../transport/port.ts';
import type { ControlPlane } from '../roll/rebuilt-record.ts';
import type { ChangeEvent } from './change-event.ts';
import { readMembershipEvent } from './membership-event.ts';

/** The join code with which a node came in, and the labels that it gives. Its labels are in no event. */
export interface LabellingCode {
  code: string;
  labels: Readonly<Record<string, string>>;
}

/** The kinds of events that say something about it. */
const kinds = [
  'registered',
  'cordoned',
  'uncordoned',
  'drained',
  'labelled',
  'deleted',
  'expired',
  'undeleted',
  'renamed',
] as const;

/** Number of events of each kind that are read, so that a flood of forged ones delays nothing for long. */
const maxRead = 10_000;

/** Reads the events of a node that the stream has, and tells of `waiting` after them. @throws BrokerError */
export async function readControlPlane(
  stream: Pick<EventStream, 'follow'>,
  node: string,
  waiting: readonly ChangeEvent[],
  code: LabellingCode | undefined,
): Promise<ControlPlane> {
  const events = await readTogether(stream, node);
  return toldControlPlane([...events.map(({ event }) => event), ...waiting], code);
}

interface StoredEvent {
  event: ChangeEvent;
  sequence: number;
}

// What was told of a renamed node before stands under its former id. `before` is the sequence of the event that names that.
async function readTogether(
  stream: Pick<EventStream, 'follow'>,
  node: string,
  before = Number.POSITIVE_INFINITY,
  depth = 0,
): Promise<StoredEvent[]> {
  const events = (await readEvents(stream, node)).filter(({ sequence }) => sequence < before);
  const at = events.findLastIndex(({ event }) => formerIdIn(event) !== undefined);
  const renamed = events[at];
  const formerId = renamed && formerIdIn(renamed.event);
  if (formerId === undefined || depth === maxFormerIds) return events;
  const earlier = await readTogether(stream, formerId, renamed?.sequence, depth + 1);
  return [...earlier, ...events.slice(at + 1)];
}

function formerIdIn({ kind, data: { formerId } }: ChangeEvent): string | undefined {
  const isId = kind === 'renamed' && typeof formerId === 'string' && nodeIdPattern.test(formerId);
  return isId ? formerId : undefined;
}

async function readEvents(stream: Pick<EventStream, 'follow'>, node: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for (const kind of kinds) {
    let left = maxRead;
    const feed = await stream.follow({ filter: eventSubject(node, kind) }, ({ data, sequence }) => {
      const event = left-- > 0 ? readMembershipEvent(node, kind, data) : undefined;
      if (event) events.push({ event, sequence });
    });
    try {
      await feed.ready;
    } finally {
      feed.stop();
    }
  }
  return events.sort((a, b) => a.sequence - b.sequence);
}

interface Told {
  code?: LabellingCode | undefined;
  labels: Map<string, { value: string; origin?: LabelOrigin }>;
  cordon?: Cordon | undefined;
  /** What it was when the node was deleted, while it is. */
  gone?: Told | undefined;
}

/** Returns what the control plane gave a node, as its events tell it, the oldest first. It is a pure function. */
export function toldControlPlane(
  events: Iterable<ChangeEvent>,
  code: LabellingCode | undefined,
): ControlPlane {
  let told = newcomer(code);
  for (const event of events) if (isGoTime(event.time)) told = after(told, event, code);
  const labels = [...told.labels].map(([key, { value }]): [string, string] => [key, value]);
  const origins = [...told.labels.values()].flatMap(({ origin }) => origin ?? []);
  return {
    ...(told.code ? { JoinCode: told.code.code } : {}),
    ...(labels.length > 0 ? { Labels: Object.fromEntries(labels) } : {}),
    ...(origins.length > 0 ? { LabelOrigins: origins } : {}),
    ...(told.cordon ? { Cordon: told.cordon } : {}),
  };
}

function newcomer(code: LabellingCode | undefined): Told {
  return {
    code,
    labels: new Map(Object.entries(code?.labels ?? {}).map(([key, value]) => [key, { value }])),
  };
}

function after(told: Told, event: ChangeEvent, code: LabellingCode | undefined): Told {
  const { kind, time, data } = event;
  const { cordon } = told;
  switch (kind) {
    case 'registered':
      return newcomer(data.joinCode === code?.code ? code : undefined);
    case 'labelled':
      return { ...told, labels: labelsAfter(told.labels, event) };
    case 'cordoned':
      return { ...told, cordon: cordonAfter(cordon, event) };
    case 'drained':
      if (!cordon?.Drain) return told;
      return { ...told, cordon: { ...cordon, Drain: { ...cordon.Drain, DrainedAt: time } } };
    case 'uncordoned':
      return { ...told, cordon: undefined };
    case 'deleted':
      return told.gone ? told : { ...newcomer(undefined), gone: told };
    case 'expired':
      return newcomer(undefined);
    case 'undeleted':
      return told.gone ?? told;
    default:
      return told;
  }
}

function labelsAfter(before: Told['labels'], { data, time }: ChangeEvent): Told['labels'] {
  const labels = new Map(before);
  const pairs = typeof data.labels === 'object' ? Object.entries(data.labels ?? {}) : [];
  for (const [Label, value] of pairs) {
    if (pairFault(Label, value) !== undefined) continue;
    if (value === null) labels.delete(Label);
    else if (labels.has(Label) || labels.size < labelRule.count)
      labels.set(Label, { value, origin: { Label, ...saidBy(data), At: time } });
  }
  return labels;
}

function cordonAfter(before: Cordon | undefined, { data, time }: ChangeEvent): Cordon {
  const { until, drain, deadline } = data.cordon ?? {};
  const Deadline = timeIn(deadline);
  const Drain = { ...(before?.Drain ?? { At: time }), ...(Deadline ? { Deadline } : {}) };
  const Until = timeIn(until);
  return {
    ...saidBy(data),
    At: time,
    ...(Until ? { Until } : {}),
    ...(drain === true ? { Drain } : {}),
  };
}

// Anybody may publish events on a NATS of one's own, so nothing has to be what it claims.
const saidBy = ({ reason, actor, claimedActor }: ChangeEvent['data']) => ({
  Reason: textIn(reason, 1024),
  Actor: textIn(actor, 256),
  ...(claimedActor === undefined ? {} : { ClaimedActor: textIn(claimedActor, 256) }),
});

const textIn = (value: unknown, maxLength: number): string =>
  typeof value === 'string' ? value.slice(0, maxLength) : '';

const timeIn = (value: unknown): string | undefined =>
  typeof value === 'string' && isGoTime(value) ? value : undefined;
