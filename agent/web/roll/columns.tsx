// The columns of the list: what each is called, what sorts by it, and what stands in its cells.
import type { ComponentChildren } from 'preact';
import { noteText } from '../../protocol/note-text.ts';
import type { RollRow } from '../../protocol/roll-rows.ts';
import { shortDuration } from '../../protocol/unit-text.ts';
import { requesterNow, second } from '../feed/roll.ts';
import { fragmentOf } from '../shell/address.ts';
import { shareText } from './amount-text.ts';
import { Bar } from './bar.tsx';
import type { Order } from './choice.ts';
import { GpuCell } from './gpu-cell.tsx';
import './cells.css';

export interface Column {
  /** The name of its class in the style sheet. */
  readonly name: string;
  readonly title: string;
  /** The order of the list by this column, if there is one. */
  readonly order?: Order;
  cell(row: RollRow): ComponentChildren;
}

export const columns: readonly Column[] = [
  {
    name: 'id',
    title: 'Node',
    order: 'id',
    cell: ({ id, host, type }) => (
      <span class="cut">
        <a href={fragmentOf('node', id)} title={id} tabIndex={-1}>
          {id}
        </a>{' '}
        <span class="dim">{type === 'Requester' ? 'requester' : host !== id && host}</span>
      </span>
    ),
  },
  {
    name: 'approval',
    title: 'Approval',
    order: 'approval',
    cell: ({ approval }) => <span class={`tag ${approval.toLowerCase()}`}>{approval}</span>,
  },
  {
    name: 'status',
    title: 'Status',
    order: 'status',
    cell: row => <Status row={row} />,
  },
  {
    name: 'labels',
    title: 'Labels',
    cell: ({ labels }) => <Labels labels={labels} />,
  },
  {
    name: 'cpu',
    title: 'CPU',
    order: 'available_cpu',
    cell: row => <Amount row={row} of="cpu" unit="count" />,
  },
  {
    name: 'memory',
    title: 'Memory',
    order: 'available_memory',
    cell: row => <Amount row={row} of="memory" unit="bytes" />,
  },
  {
    name: 'disk',
    title: 'Disk',
    order: 'available_disk',
    cell: row => <Amount row={row} of="disk" unit="bytes" />,
  },
  {
    name: 'gpu',
    title: 'GPU',
    order: 'available_gpu',
    cell: row => <GpuCell gpus={row.gpus} gpuUse={row.gpuUse} />,
  },
  {
    name: 'heard',
    title: 'Last heard',
    order: 'heard',
    cell: row => <Heard row={row} />,
  },
];

const dots = { HEALTHY: 'good', UNHEALTHY: 'bad', UNKNOWN: 'none' } as const;

function Status({ row }: { row: RollRow }) {
  second.value;
  const now = requesterNow();
  const note = row.notes.map(each => noteText(each, now)).join(', ');
  return (
    <span class="cut" title={note}>
      {row.type === 'Compute' && (
        <>
          <span class={`dot ${dots[row.status]}`} />
          {row.status}{' '}
        </>
      )}
      {note && <span class="note">{note}</span>}
    </span>
  );
}

/** Those labels come first that an operator or a join code set, because the node itself sends many. */
function Labels({ labels }: Pick<RollRow, 'labels'>) {
  const given = labels.filter(({ from }) => from !== 'node');
  const ordered = given.length === 0 ? labels : [...given, ...labels.filter(({ from }) => from === 'node')];
  const title = ordered
    .map(({ key, value, from, by }) => `${key}=${value} (${from}${by && ` ${by}`})`)
    .join('\n');
  return (
    <span class="cut" title={title}>
      {ordered.slice(0, 8).map(({ key, value, from }) => (
        <span key={key} class={from === 'node' ? 'label' : 'label given'}>
          {key}={value}
        </span>
      ))}
    </span>
  );
}

/** A node that is not heard offers nothing now, and then only what it has in all is known. */
function Amount({ row, of, unit }: { row: RollRow; of: 'cpu' | 'memory' | 'disk'; unit: 'count' | 'bytes' }) {
  const whole = row.capacity[of];
  if (whole <= 0) return null;
  const isKnown = row.figuresAt !== null && row.status === 'HEALTHY';
  const used = isKnown ? Math.max(0, whole - row.available[of]) : 0;
  const text = isKnown ? shareText(used, whole, unit) : shareText(0, whole, unit).replace(/^0 \/ /, '');
  return <Bar shares={[used / whole]} text={text} title={isKnown ? `${text} used` : `${text} offered`} />;
}

function Heard({ row: { heardAt, type } }: { row: RollRow }) {
  second.value;
  if (type === 'Requester') return null;
  if (heardAt === null) return <span class="dim">never</span>;
  return <>{shortDuration(requesterNow() - heardAt)} ago</>;
}
