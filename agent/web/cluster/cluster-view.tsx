// Shows the cluster: its nodes in numbers, its requesters, the codes by which nodes come in, and its events as they come.
import { EventList } from '../events/event-list.tsx';
import { useEvents } from '../events/use-events.ts';
import { useAnswer } from '../feed/use-answer.ts';
import { CensusPart } from './census-part.tsx';
import type { ClusterStatus } from './cluster-status.ts';
import { CodesPart } from './codes-part.tsx';
import { RequestersPart } from './requesters-part.tsx';
import '../shell/parts.css';
import './cluster.css';

const hourMs = 3_600_000;
/** Number of the events that are listed. */
const mostListed = 200;

export function ClusterView() {
  const status = useAnswer<ClusterStatus>('/api/v1/orchestrator/status', undefined, 3_000);
  const events = useEvents({ withinMs: hourMs });
  return (
    <article class="page cluster">
      <h1>Cluster</h1>
      <div class="parts">
        <CensusPart />
        <div>
          <RequestersPart answer={status} />
          <CodesPart />
        </div>
        <section class="all-events" aria-labelledby="events">
          <h2 id="events">Events of the last hour</h2>
          {events.fault && <p class="fault-text">The events do not come: {events.fault}.</p>}
          <EventList events={events.list} most={mostListed} withNodes />
        </section>
      </div>
    </article>
  );
}
