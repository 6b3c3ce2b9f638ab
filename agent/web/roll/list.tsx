// The list of the nodes. However long it is, the browser holds only the lines that are in sight.
import { useSignal } from '@preact/signals';
import { useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { changeQuery } from '../shell/place.ts';
import type { Item } from './arrange.ts';
import { type Column, columns } from './columns.tsx';
import { choice, items, listedRows, marked, selected } from './listed.ts';
import { Heading, Row } from './row.tsx';
import { offsetsOf, windowOf } from './window.ts';
import './list.css';

/** The heights of lines, in pixels. The style sheet has the same ones. */
const heights = {
  wide: { heading: 34, node: 34, newcomer: 62 },
  phone: { heading: 38, node: 76, newcomer: 128 },
};
const phone = matchMedia('(max-width: 700px)');
/** Number of lines beyond those in sight, so that a screen reader and a quick thumb find the next ones. */
const more = 8;

const keyOf = (item: Item): string => (item.kind === 'node' ? `n${item.row.id}` : `g${item.group}`);

export function List() {
  const scroll = useRef<HTMLDivElement>(null);
  const sight = useSignal({ from: 0, height: 800 });
  const isPhone = useSignal(phone.matches);
  useLayoutEffect(() => {
    const place = scroll.current;
    if (!place) return;
    const look = () => {
      sight.value = { from: place.scrollTop, height: place.clientHeight };
    };
    const size = new ResizeObserver(() => {
      isPhone.value = phone.matches;
      look();
    });
    size.observe(place);
    place.addEventListener('scroll', look, { passive: true });
    return () => {
      size.disconnect();
      place.removeEventListener('scroll', look);
    };
  }, []);

  const height = isPhone.value ? heights.phone : heights.wide;
  const lines = items.value;
  const offsets = useMemo(
    () =>
      offsetsOf(
        lines.map(item =>
          item.kind === 'heading'
            ? height.heading
            : item.row.approval === 'PENDING'
              ? height.newcomer
              : height.node,
        ),
      ),
    [lines, height],
  );
  const { from } = sight.value;
  const { first, end } = windowOf(offsets, from, from + sight.value.height, more);
  useMarkInSight(scroll.current, lines, offsets);

  return (
    <div class="scroll" ref={scroll}>
      <div
        role="grid"
        class="grid"
        aria-label="Nodes"
        aria-multiselectable="true"
        aria-rowcount={lines.length + 1}
        aria-colcount={columns.length + 1}
      >
        <Head />
        <div role="rowgroup" class="lines" style={{ height: `${offsets.at(-1) ?? 0}px` }}>
          {lines.slice(first, end).map((item, index) => {
            const place = { number: first + index + 2, top: offsets[first + index] ?? 0 };
            return item.kind === 'node' ? (
              <Row key={keyOf(item)} row={item.row} {...place} />
            ) : (
              <Heading key={keyOf(item)} item={item} {...place} />
            );
          })}
        </div>
      </div>
    </div>
  );
}

/** Scrolls to the node with the mark when the mark has moved, and gives it the focus when another line had it. */
function useMarkInSight(
  scroll: HTMLElement | null,
  lines: readonly Item[],
  offsets: readonly number[],
): void {
  const id = marked.value;
  useLayoutEffect(() => {
    if (!scroll || id === '') return;
    const index = lines.findIndex(item => item.kind === 'node' && item.row.id === id);
    const [top, bottom] = [offsets[index], offsets[index + 1]];
    if (top === undefined || bottom === undefined) return;
    // The header of the list covers the first pixels.
    const head = scroll.querySelector('.head')?.clientHeight ?? 0;
    if (top < scroll.scrollTop) scroll.scrollTop = top;
    else if (bottom + head > scroll.scrollTop + scroll.clientHeight)
      scroll.scrollTop = bottom + head - scroll.clientHeight;
    const focused = document.activeElement;
    if (focused !== document.body && !focused?.matches('.row')) return;
    requestAnimationFrame(() => {
      scroll.querySelector<HTMLElement>('.row.marked')?.focus({ preventScroll: true });
    });
  }, [id]);
}

function Head() {
  const rows = listedRows.value;
  const isAll = rows.length > 0 && rows.every(({ id }) => selected.value.has(id));
  return (
    <div role="rowgroup" class="head">
      <div role="row" aria-rowindex={1} class="row">
        <div role="columnheader" class="cell check">
          <input
            type="checkbox"
            aria-label="Select all nodes of the list"
            checked={isAll}
            onClick={() => {
              selected.value = new Set(isAll ? [] : rows.map(({ id }) => id));
            }}
          />
        </div>
        {columns.map(column => (
          <HeadCell key={column.name} column={column} />
        ))}
      </div>
    </div>
  );
}

function HeadCell({ column: { name, title, order } }: { column: Column }) {
  const { order: present, isReverse } = choice.value;
  if (!order)
    return (
      <div role="columnheader" class={`cell ${name}`}>
        {title}
      </div>
    );
  const isPresent = present === order;
  const sort = () =>
    changeQuery({ sort: order === 'id' ? '' : order, reverse: isPresent && !isReverse ? 'true' : '' });
  return (
    <div
      role="columnheader"
      class={`cell ${name}`}
      aria-sort={isPresent ? (isReverse ? 'descending' : 'ascending') : 'none'}
    >
      <button type="button" class="plain" onClick={sort}>
        {title}
        {isPresent && <span aria-hidden="true">{isReverse ? ' ↑' : ' ↓'}</span>}
      </button>
    </div>
  );
}
