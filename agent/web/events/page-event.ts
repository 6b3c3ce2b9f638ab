// Reads the events of the requester's event stream. Whoever may publish on the broker may have written one, so only what has the
// right type is taken, and of a text only the beginning.

import type { ToldEvent } from '../../protocol/event-texts.ts';
import { plainDirection } from '../../system/plain-direction.ts';

/** An event as the page shows it. */
export interface PageEvent extends ToldEvent {
  /** Its place in the stream, after which a later question goes on; empty when the requester tells none. */
  readonly cursor: string;
  /** RFC 3339. */
  readonly time: string;
  /** The id of the node, or of the requester. */
  readonly subject: string;
}

const maxTextLength = 1024;
const maxLabels = 64;

/** Returns the event of a line; undefined when the line has none. */
export const readEventLine = (line: string): PageEvent | undefined => readPageEvent(parsed(line));

/** Returns the event that is told; undefined when it is none. */
export function readPageEvent(told: unknown): PageEvent | undefined {
  const said = membersOf(told);
  const { type, time, subject, cursor } = said;
  if (typeof type !== 'string' || typeof subject !== 'string') return undefined;
  if (typeof time !== 'string' || Number.isNaN(Date.parse(time))) return undefined;
  const data = membersOf(said.data);
  const evidence = membersOf(data.evidence);
  const cordon = membersOf(data.cordon);
  return {
    type: textOf(type) ?? '',
    time,
    subject: textOf(subject) ?? '',
    cursor: typeof cursor === 'string' ? cursor : '',
    data: {
      previous: sideOf(data.previous),
      current: sideOf(data.current),
      ...members({
        reason: textOf(data.reason),
        actor: textOf(data.actor),
        claimedActor: textOf(data.claimedActor),
        newId: textOf(data.newId),
        formerId: textOf(data.formerId),
        coalesced: numberOf(data.coalesced),
        labels: labelsOf(data.labels),
      }),
      evidence: members({ silence: numberOf(evidence.silence) }),
      cordon: {
        ...members({ until: timeOf(cordon.until), deadline: timeOf(cordon.deadline) }),
        drain: cordon.drain === true,
      },
      condition: members({ type: textOf(membersOf(data.condition).type) }),
    },
  };
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(plainDirection(line));
  } catch {
    return undefined;
  }
}

const membersOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? value.slice(0, maxTextLength) : undefined;
const numberOf = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;
const timeOf = (value: unknown): string | undefined =>
  typeof value === 'string' && !Number.isNaN(Date.parse(value)) ? value : undefined;

function sideOf(value: unknown): { membership?: string; health?: string } {
  const { membership, health } = membersOf(value);
  return members({ membership: textOf(membership), health: textOf(health) });
}

function labelsOf(value: unknown): Record<string, string | null> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const pairs = Object.entries(value).slice(0, maxLabels);
  return Object.fromEntries(pairs.map(([key, of]) => [key, of === null ? null : (textOf(of) ?? '')]));
}

/** Returns an object without the members that are not known. */
function members<T extends object>(all: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as never;
}
