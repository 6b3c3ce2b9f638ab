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
    row && `/api/v1/orchestrator/nodes/${encodeURIComponent(name)}/explanation`,
    version,
  );
  const events = useEvents({ node: name });
  return (
    <article class="page node">
      <p class="way">
        <a href={fragmentOf('nodes')}>All nodes</a>
      </p>
      <h1>{name}</h1>
      {row ? <StateLine row={row} /> : <Absence name={name} isKnown={events.list.length > 0} />}
      {row && head.value?.mayDecide && <NodeActions row={row} />}
      <div class="parts">
        <div>
          {row?.conflict && <ConflictPart id={name} conflict={row.conflict} />}
          {row && <ExplanationPart answer={explanation} />}
          {explanation.value && <LabelsPart labels={explanation.value.Labels} />}
        </div>
        <div>
          {row?.type === 'Compute' && <HistoryPart key={name} row={row} />}
          {row && <FactsPart row={row} />}
        </div>
        {(row || events.list.length > 0 || events.fault) && <TimelinePart events={events} row={row} />}
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
      <span class={`tag ${row.approval.toLowerCase()}`}>{row.approval}</span>
      {row.type === 'Compute' && (
        <span>
          <span class={`dot ${dots[row.status]}`} />
          {row.status}
        </span>
      )}
      <span class="note">{row.notes.map(note => noteText(note, now)).join(', ')}</span>
    </p>
  );
}

/** Says once that a node is not there. When it comes, the roll tells it. */
function Absence({ name, isKnown }: { name: string; isKnown: boolean }) {
  if (!store.isReady) return <p class="dim">Waiting for the roll.</p>;
  return (
    <p>
      This node is not on the roll. {isKnown ? 'What became of it is below.' : 'No event of it is kept.'}{' '}
      <a href={fragmentOf('nodes', '', { search: name })}>Search the nodes for this id</a>
    </p>
  );
}
