// Shows what a node used and had free over the last hour, as small plots.
import type { NodeHistory } from '../../protocol/http-history.ts';
import type { RollRow } from '../../protocol/roll-rows.ts';
import { useAnswer } from '../feed/use-answer.ts';
import { Plot } from '../plots/plot.tsx';
import { Part } from '../shell/part.tsx';
import { Ago } from '../shell/time.tsx';
import { plotsOf } from './history.ts';

const hourMs = 3_600_000;
/** The requester takes a sample twice a minute. */
const everyMs = 30_000;

export function HistoryPart({ row }: { row: RollRow }) {
  const path = `/api/v1/orchestrator/history/${encodeURIComponent(row.id)}`;
  const { value, fault } = useAnswer<NodeHistory>(path, undefined, everyMs);
  if (!value) return fault && <p class="fault-text">The last hour is not known: {fault.message}.</p>;
  const plots = plotsOf(value, row);
  const times = value.TimesMs;
  const to = times.at(-1) ?? 0;
  return (
    <Part id="history" title="The last hour">
      <p class="dim">
        The requester began to keep it <Ago at={Date.parse(value.Since)} />.
      </p>
      {plots.length === 0 && <p class="dim">It has not said yet what it uses.</p>}
      <div class="plots">
        {plots.map(plot => (
          <Plot key={plot.title} {...plot} times={times} from={to - hourMs} to={to} />
        ))}
      </div>
    </Part>
  );
}
