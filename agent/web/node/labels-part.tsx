// Shows the labels of a node, each with where it comes from.
import type { TextRow } from '../../protocol/explanation.ts';
import { Part } from '../shell/part.tsx';
import { OriginTable } from './origin-table.tsx';

export function LabelsPart({ labels }: { labels: readonly TextRow[] }) {
  const rows = labels.map(([key = '', value, from = '']) => ({ key, name: key, value, from }));
  return (
    <Part id="labels" title="Labels">
      {rows.length === 0 ? <p class="dim">It has none.</p> : <OriginTable of="Label" rows={rows} />}
    </Part>
  );
}
