// Shows the roll: all nodes, or those that the address chooses, and what can be decided about them.
import { useSignal } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import type { RollRow } from '../../protocol/roll-rows.ts';
import { DecideDialog } from '../decide/decide-dialog.tsx';
import { type Action, actions, deeds } from '../decide/deeds.ts';
import { feedState, frame, head, store } from '../feed/roll.ts';
import { announce } from '../shell/announce.ts';
import { useKeys } from '../shell/keys.ts';
import { goTo, place } from '../shell/place.ts';
import { isFiltering } from './choice.ts';
import { List } from './list.tsx';
import {
  choice,
  listedRows,
  marked,
  markedRow,
  moveMark,
  selected,
  selectedRows,
  toggleSelected,
} from './listed.ts';
import { clearFilters, focusSearch, Toolbar } from './toolbar.tsx';
import './roll.css';

export function RollView() {
  const deciding = useSignal<Action | undefined>(undefined);
  const rows = () => {
    if (selectedRows.value.length > 0) return selectedRows.value;
    return markedRow.value ? [markedRow.value] : [];
  };
  const decide = (action: Action) => () => {
    const about = rows();
    if (!head.value?.mayDecide || about.length === 0) return;
    const why = about.map(row => deeds[action].leaveOut(row));
    if (why.includes(undefined)) deciding.value = action;
    else announce({ text: `Nothing to do: ${[...new Set(why)].join(', ')}`, isFault: false, more: [] });
  };
  useKeys({
    '/': focusSearch,
    j: () => moveMark(1),
    k: () => moveMark(-1),
    ArrowDown: () => moveMark(1),
    ArrowUp: () => moveMark(-1),
    PageDown: () => moveMark(15),
    PageUp: () => moveMark(-15),
    Home: () => moveMark(Number.NEGATIVE_INFINITY),
    End: () => moveMark(Number.POSITIVE_INFINITY),
    x: () => marked.value && toggleSelected(marked.value),
    ' ': () => marked.value && toggleSelected(marked.value),
    // Somebody may press it before the dialog is there that another key opens.
    Enter: () => !deciding.value && marked.value && goTo('node', marked.value),
    Escape: () => {
      selected.value = new Set();
    },
    a: decide('approve'),
    r: decide('reject'),
    c: () => decide(rows().every(row => row.cordon) ? 'uncordon' : 'cordon')(),
    D: decide('drain'),
    l: decide('label'),
    d: decide('delete'),
  });
  const action = deciding.value;
  // Found when the dialog is opened, because a decided node goes to another part of the list.
  const next = useMemo(() => rowAfter(rows()), [action]);
  return (
    <div class="roll">
      <h1 class="unseen">Nodes</h1>
      <Toolbar />
      <List />
      <Empty />
      <ActionBar onAction={action => decide(action)()} />
      {action && (
        <DecideDialog
          action={action}
          rows={rows()}
          onClose={isDone => {
            deciding.value = undefined;
            if (!isDone) return;
            selected.value = new Set();
            if (leaving.has(action)) marked.value = next;
          }}
        />
      )}
    </div>
  );
}

/** The actions after which a node stands elsewhere, or nowhere, so that the mark goes on to the next node. */
const leaving: ReadonlySet<Action> = new Set(['approve', 'reject', 'delete']);

/** Returns the id of the first row below the last one of these in the list; else of the one above the first. */
function rowAfter(rows: readonly RollRow[]): string {
  const ids = new Set(rows.map(({ id }) => id));
  const listed = listedRows.peek();
  const last = listed.findLastIndex(({ id }) => ids.has(id));
  return (listed[last + 1] ?? listed.findLast(({ id }) => !ids.has(id)))?.id ?? '';
}

/** Says why the list is empty. */
function Empty() {
  frame.value;
  if (listedRows.value.length > 0 || choice.value.faults.length > 0) return null;
  if (!store.isReady)
    return feedState.value.kind === 'connecting' ? <p class="empty">Loading the roll…</p> : null;
  if (isFiltering(place.value.query))
    return (
      <p class="empty">
        No node is like that.{' '}
        <button type="button" onClick={clearFilters}>
          Show all nodes
        </button>
      </p>
    );
  return (
    <p class="empty">
      No node has registered. On this machine, <code>muster join-code create</code> makes a code; on the
      machine of the node, <code>muster agent join</code> takes it.
    </p>
  );
}

/** What can be decided about the selected nodes, or about the one with the mark. */
function ActionBar({ onAction }: { onAction(action: Action): void }) {
  const many = selectedRows.value;
  const rows = many.length > 0 ? many : markedRow.value ? [markedRow.value] : [];
  if (rows.length === 0) return null;
  const mayDecide = head.value?.mayDecide === true;
  return (
    <div class="actions" role="toolbar" aria-label="Decide">
      <span class="subject">{many.length > 1 ? `${many.length} nodes` : rows[0]?.id}</span>
      {mayDecide ? (
        actions
          .filter(action => rows.some(row => deeds[action].leaveOut(row) === undefined))
          .map(action => (
            <button
              type="button"
              key={action}
              class={action === 'delete' ? 'danger' : ''}
              onClick={() => onAction(action)}
            >
              {deeds[action].title}
              {deeds[action].asks.length > 0 && action !== 'approve' && '…'}
            </button>
          ))
      ) : (
        <span class="dim">Sign in with a token that may change something to decide.</span>
      )}
      {many.length > 0 && (
        <button
          type="button"
          class="plain"
          onClick={() => {
            selected.value = new Set();
          }}
        >
          Select none
        </button>
      )}
    </div>
  );
}
