// Chooses which nodes the list shows: by a search, by the counts, and by the filters of the command line.
import { useComputed, useSignal } from '@preact/signals';
import { frame, store } from '../feed/roll.ts';
import { CommandLine } from '../shell/command-line.tsx';
import { changeQuery, place } from '../shell/place.ts';
import { filterNames, isFiltering, listCommand, type Order, orders } from './choice.ts';
import { labelsOf } from './choose.ts';
import { type Count, countsOf } from './counts.ts';
import { choice, listedRows } from './listed.ts';
import './toolbar.css';

export function Toolbar() {
  const { query } = place.value;
  return (
    <div class="toolbar">
      <input
        type="search"
        class="search"
        placeholder="Search: id, host, label, address, key  ( / )"
        aria-label="Search"
        value={query.get('search') ?? ''}
        onInput={({ currentTarget }) => changeQuery({ search: currentTarget.value })}
        onKeyDown={event => {
          if (event.key === 'Escape' && event.currentTarget.value === '') event.currentTarget.blur();
        }}
      />
      <Counts />
      <Filters />
      {choice.value.faults.map(fault => (
        <p key={fault} class="fault-text" role="alert">
          {fault}
        </p>
      ))}
    </div>
  );
}

export function focusSearch(): void {
  const search = document.querySelector<HTMLInputElement>('.search');
  search?.focus();
  search?.select();
}

const quickNames = ['filter-approval', 'filter-status'];

function Counts() {
  const counts = useComputed(() => {
    frame.value;
    return countsOf(store.rows.values());
  });
  const { query } = place.value;
  const isShown = ({ query: wanted }: Count) =>
    quickNames.every(name => (query.get(name) ?? '').toUpperCase() === (wanted[name] ?? ''));
  return (
    <div class="counts" role="group" aria-label="Nodes by state">
      {counts.value.map(count => (
        <button
          type="button"
          key={count.title}
          class={`count ${count.title.toLowerCase()}`}
          aria-pressed={isShown(count)}
          onClick={() => changeQuery({ 'filter-approval': '', 'filter-status': '', ...count.query })}
        >
          {count.title} <b>{count.nodes}</b>
        </button>
      ))}
    </div>
  );
}

const fields = [
  { name: 'labels', title: 'Labels', placeholder: 'rack=b7,zone in (eu,us),!spot' },
  { name: 'condition', title: 'Condition', placeholder: 'GpuMissing' },
  { name: 'silent-for', title: 'Silent for', placeholder: '30m' },
] as const;

function Filters() {
  const { query } = place.value;
  const isOpen = useSignal(false);
  const set = fields.filter(({ name }) => query.get(name)).length + (query.get('group') ? 1 : 0);
  return (
    <details
      class="filters"
      onToggle={({ currentTarget }) => {
        isOpen.value = currentTarget.open;
      }}
    >
      <summary>Filters and groups{set > 0 && ` (${set})`}</summary>
      {isOpen.value && <FilterFields />}
    </details>
  );
}

function FilterFields() {
  const { query } = place.value;
  return (
    <>
      <div class="filter-fields">
        {fields.map(({ name, title, placeholder }) => (
          <label key={name}>
            {title}
            <input
              value={query.get(name) ?? ''}
              placeholder={placeholder}
              spellcheck={false}
              autocomplete="off"
              onChange={({ currentTarget }) => changeQuery({ [name]: currentTarget.value.trim() })}
            />
          </label>
        ))}
        <GroupField />
        <OrderField />
        {isFiltering(query) && (
          <button type="button" onClick={clearFilters}>
            Show all nodes
          </button>
        )}
      </div>
      <CommandLine command={listCommand(query)} />
    </>
  );
}

export function clearFilters(): void {
  changeQuery(Object.fromEntries(['search', ...filterNames].map(name => [name, ''])));
}

const orderNames: Readonly<Record<Order, string>> = {
  id: 'id',
  approval: 'approval',
  status: 'status',
  available_cpu: 'free CPUs',
  available_memory: 'free memory',
  available_disk: 'free disk',
  available_gpu: 'free GPUs',
  heard: 'last heard',
};

/** The columns of a wide list sort too, and a phone does not show their titles. */
function OrderField() {
  return (
    <label>
      Sort by
      <select
        value={choice.value.order}
        onChange={({ currentTarget: { value } }) =>
          changeQuery({ sort: value === 'id' ? '' : value, reverse: '' })
        }
      >
        {orders.map(order => (
          <option key={order} value={order}>
            {orderNames[order]}
          </option>
        ))}
      </select>
    </label>
  );
}

function GroupField() {
  const { group } = choice.value;
  // A node may have many labels that others do not have. Those that most nodes have come first.
  const keys = useComputed(() => {
    const counts = new Map<string, number>();
    for (const row of listedRows.value)
      for (const key of Object.keys(labelsOf(row))) counts.set(key, (counts.get(key) ?? 0) + 1);
    return [...counts].sort(([, a], [, b]) => b - a).map(([key]) => key);
  });
  const shown = [...new Set([...(group ? [group] : []), ...keys.value])].slice(0, 100);
  return (
    <label>
      Group by
      <select value={group} onChange={({ currentTarget }) => changeQuery({ group: currentTarget.value })}>
        <option value="">nothing</option>
        {shown.map(key => (
          <option key={key} value={key}>
            {key}
          </option>
        ))}
      </select>
    </label>
  );
}
