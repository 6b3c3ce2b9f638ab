// Shows events in words, the latest first.
import { eventTexts } from '../../protocol/event-texts.ts';
import { fragmentOf } from '../shell/address.ts';
import { dayAndTime } from '../shell/time.tsx';
import type { PageEvent } from './page-event.ts';

interface EventListProps {
  /** The oldest first. */
  events: readonly PageEvent[];
  /** Number of those that are shown. */
  most: number;
  /** Whether the node of each is named. */
  withNodes?: boolean;
}

export function EventList({ events, most, withNodes = false }: EventListProps) {
  const shown = events.slice(-most).reverse();
  if (shown.length === 0) return <p class="dim">None are kept.</p>;
  return (
    <ol class="events">
      {shown.map(event => (
        <EventItem key={event.cursor || `${event.time} ${event.type}`} event={event} withNode={withNodes} />
      ))}
    </ol>
  );
}

function EventItem({ event, withNode }: { event: PageEvent; withNode: boolean }) {
  const { kind, change, details } = eventTexts(event);
  const isOfNode = event.type.startsWith('org.muster.node.');
  return (
    <li>
      <time dateTime={event.time}>{dayAndTime(Date.parse(event.time))}</time>
      {withNode &&
        (isOfNode ? <a href={fragmentOf('node', event.subject)}>{event.subject}</a> : <b>{event.subject}</b>)}
      <span class="kind">{kind.replaceAll('_', ' ')}</span>
      {change !== '-' && <span>{change}</span>}
      <span class="dim">{details.join('  ')}</span>
    </li>
  );
}
