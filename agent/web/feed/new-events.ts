// Hands the new events that come with the live roll to the views that show events.
import type { RollEvents } from '../../protocol/roll-rows.ts';

export interface NewEventsListener {
  /** From here on all new events come; those before have to be asked for. */
  onFollowing(): void;
  /** Takes new events as the requester tells them. */
  onEvents(events: readonly unknown[]): void;
}

const listeners = new Set<NewEventsListener>();

/** Calls the listener until the function that is returned is called. */
export function listenToEvents(listener: NewEventsListener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Takes an event of the live roll. Those that say nothing of new events are left out. */
export function takeNewEvents(name: string, data: unknown): void {
  if (name === ('following' satisfies keyof RollEvents)) for (const each of listeners) each.onFollowing();
  if (name === ('events' satisfies keyof RollEvents) && Array.isArray(data))
    for (const each of listeners) each.onEvents(data);
}
