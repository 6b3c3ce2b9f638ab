// The events as they happen, across restarts of the requester: the reading goes on where it was cut off.

import type { ShownEvent } from '../../api/answers.ts';
import type { ApiClient, EventsHeard } from '../../api/client.ts';
import { type Clock, sleep } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { backoff, type Random } from '../../system/random.ts';

export interface FeedOptions extends EventsHeard {
  clock: Clock;
  random: Random;
  /** The requester is away, as `fault` says; it is asked again until it is back. */
  lost(fault: MusterError): void;
  back(): void;
}

/** Milliseconds read again: a broker stores by its own clock, and what a requester could not send at once. */
const overlap = 60_000;
/** Events that are remembered, so that none of those is told twice. */
const remembered = 50_000;

/** Never ends by itself. Throws MusterError when the first answer is none, or a later one says that asking again is in vain. */
export async function* followEvents(
  api: Pick<ApiClient, 'events'>,
  query: Readonly<Record<string, string>>,
  options: FeedOptions,
): AsyncGenerator<ShownEvent> {
  const { clock, random, unreadable, lost, back } = options;
  const seen = new Set<string>();
  let from = query;
  const requester = { known: false, away: false };
  const opened = () => {
    if (requester.away) back();
    Object.assign(requester, { known: true, away: false });
  };
  for (let failures = 0; ; failures++) {
    try {
      for await (const event of api.events({ ...from, follow: 'true' }, { opened, unreadable })) {
        if (!isNew(event, seen)) continue;
        failures = 0;
        from = { ...query, since: resumption(event, clock) };
        yield event;
      }
    } catch (error) {
      const mayPass = error instanceof MusterError && error.code === 'unreachable';
      if (!mayPass || !requester.known) throw error;
      if (!requester.away) lost(error);
      requester.away = true;
    }
    await sleep(clock, backoff(random, failures, 200, 5_000));
  }
}

// An id is one within its source: another cluster counts anew.
function isNew({ source, id }: ShownEvent, seen: Set<string>): boolean {
  const name = `${source} ${id}`;
  if (seen.has(name)) return false;
  const [oldest] = seen;
  if (seen.size >= remembered && oldest !== undefined) seen.delete(oldest);
  seen.add(name);
  return true;
}

/** From when on to read after `event`. One that claims to be of the future leads to nothing later than now. */
function resumption({ time }: ShownEvent, clock: Clock): string {
  return new Date(Math.min(Date.parse(time), clock.now().getTime()) - overlap).toISOString();
}
