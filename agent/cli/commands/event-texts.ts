// Says what an event of a node tells, in short texts.
import type { ShownEvent } from '../../api/answers.ts';
import { labelWords } from '../../protocol/label.ts';
import { shortDuration } from '../../protocol/unit-text.ts';
import { operatorText } from './actor.ts';

export interface EventTexts {
  /** The kind of the event, such as `approved`. */
  kind: string;
  /** What changed, such as `PENDING -> APPROVED`, or the condition that came up or is over. */
  change: string;
  /** Why, by whom, and what more there is to say, as far as the event tells. */
  details: string[];
}

/** Returns the texts. They may have any characters, so the caller makes them safe for a terminal. */
export function eventTexts(event: ShownEvent): EventTexts {
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
function cordonTexts({ until, drain, deadline }: NonNullable<ShownEvent['data']['cordon']> = {}): string[] {
  const within = deadline ? ` by ${utc(deadline)}` : '';
  return [...(drain ? [`to be drained${within}`] : []), ...(until ? [`until ${utc(until)}`] : [])];
}

const utc = (time: string): string => `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

function changeOf({ data: { previous, current, labels, condition, newId, formerId } }: ShownEvent): string {
  if (newId) return `to ${newId}`;
  if (formerId) return `from ${formerId}`;
  if (labels) return labelWords(labels).join(' ');
  if (condition?.type) return condition.type;
  const before = (previous.health ?? previous.membership) || '-';
  const after = (current.health ?? current.membership) || '-';
  return before === after ? after : `${before} -> ${after}`;
}
