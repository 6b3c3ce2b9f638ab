// Says what an event of a node tells, in short texts.
import { type LabelChange, labelWords } from './label.ts';
import { operatorText } from './operator-text.ts';
import { shortDuration } from './unit-text.ts';

interface Side {
  membership?: string;
  health?: string;
}

/** What the texts take from an event. Any program may have written it, so each text in it may be anything. */
export interface ToldEvent {
  /** Such as `org.muster.node.approved`. */
  type: string;
  data: {
    previous: Side;
    current: Side;
    reason?: string;
    actor?: string;
    claimedActor?: string;
    evidence?: { silence?: number };
    coalesced?: number;
    cordon?: { until?: string; drain?: boolean; deadline?: string };
    labels?: LabelChange;
    condition?: { type?: string };
    newId?: string;
    formerId?: string;
  };
}

export interface EventTexts {
  /** The kind of the event, such as `approved`. */
  kind: string;
  /** What changed, such as `PENDING -> APPROVED`, or the condition that came up or is over. */
  change: string;
  /** Why, by whom, and what more there is to say, as far as the event tells. */
  details: string[];
}

/** Returns the texts. They may have any characters, so a caller makes them safe for its terminal. */
export function eventTexts(event: ToldEvent): EventTexts {
  const { reason, actor, claimedActor, evidence, coalesced } = event.data;
  const silence = evidence?.silence === undefined ? '' : `silent for ${shortDuration(evidence.silence)}`;
  const why = reason ? JSON.stringify(reason) : silence;
  const who = actor ? `by ${operatorText(actor, claimedActor)}` : '';
  const more = coalesced ? `(and ${coalesced} older changes)` : '';
  return {
    kind: event.type.slice(event.type.lastIndexOf('.') + 1),
    change: changeOf(event),
    details: [why, who, ...cordonTexts(event.data.cordon), more].filter(Boolean),
  };
}

/** Returns what a cordon says besides why and by whom: when it ends, and whether the end of the work is awaited. */
function cordonTexts({ until, drain, deadline }: NonNullable<ToldEvent['data']['cordon']> = {}): string[] {
  const within = deadline ? ` by ${utc(deadline)}` : '';
  return [...(drain ? [`to be drained${within}`] : []), ...(until ? [`until ${utc(until)}`] : [])];
}

const utc = (time: string): string => `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

function changeOf({ data: { previous, current, labels, condition, newId, formerId } }: ToldEvent): string {
  if (newId) return `to ${newId}`;
  if (formerId) return `from ${formerId}`;
  if (labels) return labelWords(labels).join(' ');
  if (condition?.type) return condition.type;
  const before = (previous.health ?? previous.membership) || '-';
  const after = (current.health ?? current.membership) || '-';
  return before === after ? after : `${before} -> ${after}`;
}
