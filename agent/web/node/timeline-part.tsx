// Shows what became of a node over time: its membership and health as two bands, and its events in words below.
import { useSignal } from '@preact/signals';
import type { RollRow } from '../../protocol/roll-rows.ts';
import { EventList } from '../events/event-list.tsx';
import { type Events, mostEvents } from '../events/use-events.ts';
import { requesterNow, second } from '../feed/roll.ts';
import { dayAndTime } from '../shell/time.tsx';
import { type Stretch, shareOfStates, stretchesOf } from './stretches.ts';

const hourMs = 3_600_000;
const spans: readonly { text: string; ms: number }[] = [
  { text: 'hour', ms: hourMs },
  { text: 'day', ms: 24 * hourMs },
  { text: '30 days', ms: 30 * 24 * hourMs },
];

/** Number of the events that are listed. */
const mostListed = 100;

interface TimelinePartProps {
  events: Events;
  /** The node as it is now; absent when it is not on the roll. */
  row: RollRow | undefined;
}

export function TimelinePart({ events: { list, fault }, row }: TimelinePartProps) {
  const wantedMs = useSignal<number | undefined>(undefined);
  second.value;
  const to = requesterNow();
  const isNew = row?.registeredAt != null && to - row.registeredAt < hourMs;
  const spanMs = wantedMs.value ?? (isNew ? hourMs : 24 * hourMs);
  const from = to - spanMs;
  const shown = spans.find(({ ms }) => ms === spanMs)?.text ?? '';
  return (
    <section class="timeline" aria-labelledby="timeline">
      <h2 id="timeline">What became of it</h2>
      <fieldset class="spans">
        <legend class="unseen">The time that the bands show</legend>
        {spans.map(({ text, ms }) => (
          <button
            key={text}
            type="button"
            aria-pressed={ms === spanMs}
            onClick={() => {
              wantedMs.value = ms;
            }}
          >
            Last {text}
          </button>
        ))}
      </fieldset>
      <Band
        name="Membership"
        span={shown}
        stretches={stretchesOf(list, 'membership', from, to, present(row, row?.approval))}
      />
      <Band
        name="Health"
        span={shown}
        stretches={stretchesOf(list, 'health', from, to, present(row, row?.status))}
      />
      <p class="ends dim">
        <span>{dayAndTime(from).slice(0, 16)}</span>
        <span>now, UTC</span>
      </p>
      {fault && <p class="fault-text">The events do not come: {fault}.</p>}
      {list.length >= mostEvents && <p class="dim">Only its last {mostEvents} events are shown.</p>}
      <EventList events={list} most={mostListed} />
    </section>
  );
}

/** Shows stretches as one line of colours. Who cannot see it hears how much of the time each state took. */
function Band({ name, span, stretches }: { name: string; span: string; stretches: readonly Stretch[] }) {
  const from = stretches[0]?.from ?? 0;
  const whole = (stretches.at(-1)?.to ?? 1) - from;
  const shares = shareOfStates(stretches).map(
    ([state, share]) => `${state || 'not known'} ${percent(share)}`,
  );
  return (
    <div class="band">
      <span aria-hidden="true">{name}</span>
      <svg
        viewBox="0 0 1000 10"
        preserveAspectRatio="none"
        role="img"
        aria-label={`${name} in the last ${span}: ${shares.join(', ')}`}
      >
        {stretches.map(stretch => (
          <rect
            key={stretch.from}
            class={`of-${stretch.state || 'nothing'}`}
            x={((stretch.from - from) / whole) * 1000}
            // Even a moment is seen.
            width={Math.max(((stretch.to - stretch.from) / whole) * 1000, 2)}
            height="10"
          >
            <title>{`${stretch.state || 'not known'} from ${dayAndTime(stretch.from)} to ${dayAndTime(stretch.to)} UTC`}</title>
          </rect>
        ))}
      </svg>
    </div>
  );
}

/** Returns what is known of a state without any event: the present one, since the node is on the roll. */
const present = (row: RollRow | undefined, state: string | undefined) =>
  row?.registeredAt && row.type === 'Compute' ? { state: state ?? '', since: row.registeredAt } : undefined;

const percent = (share: number): string =>
  share > 0 && share < 0.01 ? 'under 1 %' : `${Math.round(share * 100)} %`;
