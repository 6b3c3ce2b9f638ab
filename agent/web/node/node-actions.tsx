// What can be decided about the node that is shown.
import { useSignal } from '@preact/signals';
import type { RollRow } from '../../protocol/roll-rows.ts';
import { DecideDialog } from '../decide/decide-dialog.tsx';
import { type Action, actions, deeds } from '../decide/deeds.ts';
import { useKeys } from '../shell/keys.ts';

export function NodeActions({ row }: { row: RollRow }) {
  const deciding = useSignal<Action | undefined>(undefined);
  const possible = actions.filter(action => deeds[action].leaveOut(row) === undefined);
  const decide = (action: Action) => () => {
    if (possible.includes(action)) deciding.value = action;
  };
  useKeys({
    a: decide('approve'),
    r: decide('reject'),
    c: decide(row.cordon ? 'uncordon' : 'cordon'),
    D: decide('drain'),
    l: decide('label'),
    d: decide('delete'),
  });
  return (
    <p class="deeds" role="toolbar" aria-label="Decide">
      {possible.map(action => (
        <button
          key={action}
          type="button"
          class={action === 'delete' ? 'danger' : ''}
          onClick={decide(action)}
        >
          {deeds[action].title}
          {deeds[action].asks.length > 0 && action !== 'approve' && '…'}
        </button>
      ))}
      {deciding.value && (
        <DecideDialog
          action={deciding.value}
          rows={[row]}
          onClose={() => {
            deciding.value = undefined;
          }}
        />
      )}
    </p>
  );
}
