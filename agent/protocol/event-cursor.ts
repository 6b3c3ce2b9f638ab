// The cursor of an event: its place in one life of the event stream. A reader who was away goes on after it.

export interface EventCursor {
  /** The life of the stream: the time of its creation, in base 36. The sequences begin anew when the stream is lost. */
  life: string;
  sequence: number;
}

/** Returns the cursor as a text. `created` is the time of the stream's creation, as the broker writes it. */
export const eventCursor = (created: string, sequence: number): string =>
  `${streamLife(created)}-${sequence}`;

/** Returns the life of a stream that was created then. A cluster of NATS servers names no time. */
export const streamLife = (created: string): string => Math.max(0, Date.parse(created) || 0).toString(36);

/** Returns what a cursor says; undefined for any other text. */
export function readEventCursor(text: string): EventCursor | undefined {
  const [, life, sequence] = /^([a-z0-9]{1,16})-(\d{1,15})$/.exec(text) ?? [];
  return life === undefined ? undefined : { life, sequence: Number(sequence) };
}
