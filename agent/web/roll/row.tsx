// A line of the list: a node, or the heading of a group.
import type { RollRow } from '../../protocol/roll-rows.ts';
import { goTo } from '../shell/place.ts';
import type { Item } from './arrange.ts';
import { columns } from './columns.tsx';
import {
  closedGroups,
  isMarkListed,
  listedRows,
  marked,
  selected,
  selectUntil,
  toggleGroup,
  toggleSelected,
} from './listed.ts';

export interface PlacedProps {
  /** The number of the line in the whole list, from 1, with the header. */
  number: number;
  /** Where it begins in the list, in pixels. */
  top: number;
}

const placed = (top: number) => ({ transform: `translateY(${top}px)` });

export function Row({ row, number, top }: PlacedProps & { row: RollRow }) {
  const isSelected = selected.value.has(row.id);
  const isMarked = marked.value === row.id;
  // Without a mark, the key Tab leads to the first node.
  const isFirst = !isMarkListed.value && listedRows.value[0] === row;
  const classes = [
    'row',
    row.approval.toLowerCase(),
    isSelected && 'selected',
    isMarked && 'marked',
    row.notes.length > 0 && 'noted',
  ];
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keys of the whole list do the same, see roll-view.tsx
    <div
      role="row"
      aria-rowindex={number}
      aria-selected={isSelected}
      class={classes.filter(Boolean).join(' ')}
      style={placed(top)}
      data-id={row.id}
      tabIndex={isMarked || isFirst ? 0 : -1}
      onFocus={() => {
        if (!isMarkListed.value) marked.value = row.id;
      }}
      onClick={event => {
        if (event.shiftKey) selectUntil(row.id);
        else marked.value = row.id;
      }}
      onDblClick={() => goTo('node', row.id)}
    >
      <div role="gridcell" class="cell check">
        <input
          type="checkbox"
          aria-label={`Select ${row.id}`}
          checked={isSelected}
          tabIndex={-1}
          onClick={event => {
            event.stopPropagation();
            if (event.shiftKey) selectUntil(row.id);
            else toggleSelected(row.id);
            marked.value = row.id;
          }}
        />
      </div>
      {columns.map(column => (
        <div role="gridcell" key={column.name} class={`cell ${column.name}`}>
          {column.cell(row)}
        </div>
      ))}
      {row.approval === 'PENDING' && (
        <div role="gridcell" class="cell newcomer">
          <Newcomer row={row} />
        </div>
      )}
    </div>
  );
}

/** What an operator compares before a node is approved. */
function Newcomer({ row }: { row: RollRow }) {
  const { machine, address, joinCode, fingerprint, unverified, isBack, conflict } = row;
  const hardware = [machine.os, machine.arch, machine.cpuModel].filter(Boolean).join(' · ');
  return (
    <>
      {hardware && <span class="cut">{hardware}</span>}
      {address && (
        <span>
          <span class="dim">at</span> {address}
        </span>
      )}
      {joinCode && (
        <span>
          <span class="dim">code</span> {joinCode}
        </span>
      )}
      <span>
        <span class="dim">key</span>{' '}
        {fingerprint ? <code>{fingerprint}</code> : unverified ? 'none that is checked' : 'unknown'}
      </span>
      {isBack && <span class="note">was here before</span>}
      {conflict && <span class="note">two agents want to be this node</span>}
    </>
  );
}

export function Heading({ item, number, top }: PlacedProps & { item: Extract<Item, { kind: 'heading' }> }) {
  const isOpen = !closedGroups.value.has(item.group);
  // A requester sends no heartbeats, so its health says nothing.
  const nodes = item.rows.filter(({ type }) => type === 'Compute');
  const healthy = nodes.filter(({ status }) => status === 'HEALTHY').length;
  const requesters = item.rows.length - nodes.length;
  const texts = [
    nodes.length > 0 && `${countText(nodes.length, 'node')}, ${healthy} HEALTHY`,
    requesters > 0 && countText(requesters, 'requester'),
  ];
  return (
    <div role="row" aria-rowindex={number} class="row heading" style={placed(top)}>
      <div role="gridcell" class="cell" aria-colspan={columns.length + 1}>
        <button type="button" class="plain" aria-expanded={isOpen} onClick={() => toggleGroup(item.group)}>
          {item.title}
        </button>
        <span class="dim">{texts.filter(Boolean).join(', ')}</span>
      </div>
    </div>
  );
}

const countText = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
