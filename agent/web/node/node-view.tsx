// Shows one node: why it is as it is and what to do, who it is and where that comes from, and what became of it over time.
import type { ExplanationView } from '../../protocol/explanation.ts';
import { noteText } from '../../protocol/note-text.ts';
import type { RollRow } from '../../protocol/roll-rows.ts';
import { useEvents } from '../events/use-events.ts';
import { frame, head, requesterNow, second, store } from '../feed/roll.ts';
import { useAnswer } from '../feed/use-answer.ts';
import { fragmentOf } from '../shell/address.ts';
import { ConflictPart } from './conflict-part.tsx';
import { ExplanationPart } from './explanation-part.tsx';
import { FactsPart } from './facts-part.tsx';
import { HistoryPart } from './history-part.tsx';
import { LabelsPart } from './labels-part.tsx';
import { NodeActions } from './node-actions.tsx';
import { TimelinePart } from './timeline-part.tsx';
import '../shell/parts.css';
import './node.css';

export function NodeView({ name }: { name: string }) {
  frame.value;
  const row = store.rows.get(name);
  // Only what a decision or a silence changes is told in other words, not the figures that change all the time.
  const version =
    row && JSON.stringify([row.approval, row.status, row.notes, row.decision, row.cordon, row.labels]);
  const explanation = useAnswer<ExplanationView>(
    `/api/v1/orchestrator/nodes/${encodeURIComponent(name)}/explanation`,
    version,
  );
  const events = useEvents({ node: name });
  return (
    <article class="page node">
      <p class="way">
        <a href={fragmentOf('nodes')}>All nodes</a>
      </p>
      <h1>{name}</h1>
      {row ? <StateLine row={row} /> : <Absence />}
      {row && head.value?.mayDecide && <NodeActions row={row} />}
      <div class="parts">
        <div>
          {row?.conflict && <ConflictPart id={name} conflict={row.conflict} />}
          <ExplanationPart answer={explanation} />
          {explanation.value && <LabelsPart labels={explanation.value.Labels} />}
        </div>
        <div>
          {row?.type === 'Compute' && <HistoryPart key={name} row={row} />}
          {row && <FactsPart row={row} />}
        </div>
        <TimelinePart events={events} row={row} />
      </div>
    </article>
  );
}

const dots = { HEALTHY: 'good', UNHEALTHY: 'bad', UNKNOWN: 'none' } as const;

function StateLine({ row }: { row: RollRow }) {
  second.value;
  const now = requesterNow();
  return (
    <p class="state">
      <span class={`tag ${row.approval.toLowerCase()}`}>{row.approval.toLowerCase()}</span>
      {row.type === 'Compute' && (
        <span>
          <span class={`dot ${dots[row.status]}`} />
          {row.status.toLowerCase()}
        </span>
      )}
      <span class="note">{row.notes.map(note => noteText(note, now)).join(', ')}</span>
    </p>
  );
}

function Absence() {
  if (!store.isReady) return <p class="dim">Waiting for the roll.</p>;
  return <p class="dim">This node is not on the roll. What is kept of it is below.</p>;
}
