// Shows who a node is, and where each fact comes from.
import type { RollRow } from '../../protocol/roll-rows.ts';
import { Part } from '../shell/part.tsx';
import { Ago } from '../shell/time.tsx';
import { factsOf } from './facts.ts';
import { OriginTable } from './origin-table.tsx';

export function FactsPart({ row }: { row: RollRow }) {
  const rows = factsOf(row).map(({ label, value, from, at }) => ({
    key: label + value,
    name: label,
    value: at === undefined ? value : [value, ' (', <Ago key="at" at={at} />, ')'],
    from,
  }));
  return (
    <Part id="facts" title="Who it is">
      <OriginTable of="Fact" rows={rows} />
    </Part>
  );
}
