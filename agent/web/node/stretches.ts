// Computes from the events of a node in which state it was, and from when until when.

/** A time in which a state did not change, in milliseconds since 1970. */
export interface Stretch {
  from: number;
  to: number;
  /** Such as `APPROVED` or `HEALTHY`; empty while the node was not on the roll, or where no event tells. */
  state: string;
}

interface StateSide {
  membership?: string;
  health?: string;
}

/** What of an event tells about a state. Any program may have written it, so nothing is sure to be there. */
export interface StateEvent {
  time: string;
  type: string;
  data: { previous?: StateSide; current?: StateSide };
}

/**
 * Returns the stretches between `from` and `to`, without gaps, the oldest first. `events` are those of one node, in their order;
 * an event whose time lies before the one of an earlier event counts as made at the same time. Where no event tells of the state,
 * it is the one of `present`, since that time.
 */
export function stretchesOf(
  events: readonly StateEvent[],
  which: 'membership' | 'health',
  from: number,
  to: number,
  present?: { readonly state: string; readonly since: number },
): Stretch[] {
  const told = events.flatMap(event => changeIn(event, which));
  const untold = present ? [{ at: present.since, before: '', after: present.state }] : [];
  const changes = told.length > 0 ? told : untold;
  const stretches: Stretch[] = [];
  let at = from;
  let state = changes[0]?.before ?? '';
  const endAt = (time: number) => {
    const end = Math.min(Math.max(time, at), to);
    const last = stretches.at(-1);
    if (last?.state === state) last.to = end;
    else if (end > at) stretches.push({ from: at, to: end, state });
    at = end;
  };
  for (const change of changes) {
    endAt(change.at);
    state = change.after;
  }
  endAt(to);
  return stretches;
}

/** Returns how much of the time each state takes, between 0 and 1, the longest first. */
export function shareOfStates(stretches: readonly Stretch[]): [state: string, share: number][] {
  const sums = new Map<string, number>();
  for (const { from, to, state } of stretches) sums.set(state, (sums.get(state) ?? 0) + to - from);
  const whole = [...sums.values()].reduce((sum, each) => sum + each, 0);
  return [...sums]
    .map(([state, sum]): [string, number] => [state, sum / whole])
    .sort(([, a], [, b]) => b - a);
}

interface Change {
  at: number;
  before: string;
  after: string;
}

function changeIn({ time, type, data }: StateEvent, which: 'membership' | 'health'): Change[] {
  const at = Date.parse(time);
  const [before, after] = [data.previous?.[which], data.current?.[which]];
  if (Number.isNaN(at)) return [];
  // An event that ends the node on the roll ends both its states, although it names its membership only.
  if (type.endsWith('.deleted')) return [{ at, before: before ?? '', after: '' }];
  // A node that is new to the roll had no state before.
  if (which === 'health' && type.endsWith('.registered') && !data.previous?.membership)
    return [{ at, before: '', after: 'UNKNOWN' }];
  return after === undefined ? [] : [{ at, before: before ?? '', after }];
}
