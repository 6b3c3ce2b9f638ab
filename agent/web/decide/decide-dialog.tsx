// Asks an operator whether a decision is right: about which nodes it is, what will happen, and which command does the same. What
// somebody else does meanwhile is shown, and the requester refuses what rests on an older view.
import { useComputed, useSignal } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import type { RollRow } from '../../protocol/roll-rows.ts';
import { frame, store } from '../feed/roll.ts';
import { announce } from '../shell/announce.ts';
import { CommandLine } from '../shell/command-line.tsx';
import { Dialog } from '../shell/dialog.tsx';
import { carryOut } from './carry-out.ts';
import { type Action, commandOf, type Deed, decisionAbout, deeds } from './deeds.ts';
import { meanwhile } from './meanwhile.ts';
import { tellOutcomes } from './tell-outcomes.ts';
import { readWish, type TypedWish } from './typed-wish.ts';

export interface DecideDialogProps {
  action: Action;
  /** The nodes as they are when the dialog is opened. */
  rows: readonly RollRow[];
  onClose(isDone: boolean): void;
}

const maxShown = 8;

export function DecideDialog({ action, rows, onClose }: DecideDialogProps) {
  const deed = deeds[action];
  // The operator decides about what this dialog shows, also when the roll changes behind it.
  const shown = useMemo(() => rows, []);
  const chosen = useMemo(() => shown.filter(row => deed.leaveOut(row) === undefined), []);
  const typed = useSignal<TypedWish>({ reason: '', labels: '', forText: '', deadline: '', id: '' });
  const done = useSignal<number | undefined>(undefined);
  const wish = readWish(typed.value, deed, chosen);
  const isReady = typeof wish !== 'string' && chosen.length > 0 && done.value === undefined;

  const submit = async (event: Event) => {
    event.preventDefault();
    if (typeof wish === 'string' || !isReady) return;
    done.value = 0;
    const decisions = chosen.map(row => decisionAbout(row, action, wish));
    const outcomes = await carryOut(decisions, () => {
      done.value = (done.value ?? 0) + 1;
    });
    tellOutcomes({ action, rows: chosen, wish, outcomes });
    onClose(outcomes.every(({ fault }) => !fault));
  };

  const ids = chosen.map(({ id }) => id);
  const title = `${deed.title} ${ids.length === 1 ? ids[0] : `${ids.length} nodes`}`;
  return (
    <Dialog title={title} onClose={() => onClose(false)}>
      <form onSubmit={event => submit(event).catch(showUnexpected)}>
        <Chosen rows={chosen} />
        <LeftOut rows={shown} deed={deed} />
        {chosen.length > 0 && deed.effects.map(effect => <p key={effect}>{effect}</p>)}
        <Fields action={action} typed={typed.value} ids={ids} onType={next => (typed.value = next)} />
        {typeof wish === 'string' ? (
          <p class="dim" role="status">
            {wish}
          </p>
        ) : (
          ids.length > 0 && <CommandLine command={commandOf(action, chosen, wish)} />
        )}
        <div class="buttons">
          <button type="button" onClick={() => onClose(false)}>
            Cancel
          </button>
          <button
            type="submit"
            class={action === 'delete' || action === 'reject' ? 'main danger' : 'main'}
            disabled={!isReady}
            data-first={deed.asks.length === 0 || action === 'approve' ? '' : undefined}
          >
            {done.value === undefined ? title : `${done.value} of ${ids.length}…`}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Chosen({ rows }: { rows: readonly RollRow[] }) {
  const now = useComputed(() => {
    frame.value;
    return rows.slice(0, maxShown).map(({ id }) => store.rows.get(id));
  });
  if (rows.length === 0) return <p>Nothing is left to do.</p>;
  return (
    <ul class="chosen">
      {rows.slice(0, maxShown).map((row, index) => (
        <li key={row.id}>
          <b>{row.id}</b> <span class="dim">{row.host !== row.id && row.host}</span>{' '}
          <span class="dim">{row.approval}</span>
          {row.approval === 'PENDING' && (
            <div>
              {row.address && `at ${row.address}, `}
              {row.fingerprint ? (
                <>
                  key <code>{row.fingerprint}</code>
                </>
              ) : (
                'no key of it is checked'
              )}
            </div>
          )}
          <Meanwhile before={row} now={now.value[index]} />
        </li>
      ))}
      {rows.length > maxShown && <li class="dim">and {rows.length - maxShown} more</li>}
    </ul>
  );
}

/** Says what somebody else has done since the dialog was opened. */
function Meanwhile({ before, now }: { before: RollRow; now: RollRow | undefined }) {
  const text = meanwhile(before, now);
  return text === '' ? null : (
    <div class="fault-text" role="alert">
      {text}
    </div>
  );
}

function LeftOut({ rows, deed }: { rows: readonly RollRow[]; deed: Deed }) {
  const reasons = new Map<string, string[]>();
  for (const row of rows) {
    const why = deed.leaveOut(row);
    if (why !== undefined) reasons.set(why, [...(reasons.get(why) ?? []), row.id]);
  }
  return [...reasons].map(([why, ids]) => (
    <p key={why} class="dim">
      Left out ({why}): {ids.slice(0, 5).join(', ')}
      {ids.length > 5 && ` and ${ids.length - 5} more`}
    </p>
  ));
}

interface FieldsProps {
  action: Action;
  typed: TypedWish;
  ids: readonly string[];
  onType(typed: TypedWish): void;
}

function Fields({ action, typed, ids, onType }: FieldsProps) {
  const { asks } = deeds[action];
  const field = (name: keyof TypedWish, title: string, placeholder: string, isFirst = false) => (
    <label key={name}>
      {title}
      <input
        value={typed[name]}
        placeholder={placeholder}
        autocomplete="off"
        spellcheck={name === 'reason'}
        maxLength={1024}
        data-first={isFirst ? '' : undefined}
        onInput={({ currentTarget }) => onType({ ...typed, [name]: currentTarget.value })}
      />
    </label>
  );
  const [id = ''] = ids;
  const wanted = ids.length === 1 ? id : String(ids.length);
  return (
    <>
      {asks.includes('labels') && field('labels', 'Labels', 'rack=b7 spare-', true)}
      {asks.includes('id') &&
        field(
          'id',
          ids.length === 1 ? `Type the id: ${wanted}` : `Type how many nodes: ${wanted}`,
          wanted,
          true,
        )}
      {asks.includes('reason') &&
        field(
          'reason',
          'Reason (may be empty)',
          reasons[action] ?? '',
          ['reject', 'cordon', 'drain'].includes(action),
        )}
      {asks.includes('deadline') && field('deadline', 'Its work should be over within (may be empty)', '2h')}
      {asks.includes('for') && field('forText', 'The cordon ends by itself after (may be empty)', '4h')}
    </>
  );
}

const reasons: Readonly<Partial<Record<Action, string>>> = {
  reject: 'its disk is broken',
  cordon: 'disk swap',
  drain: 'kernel update',
};

const showUnexpected = (error: unknown) =>
  announce({
    text: 'The page failed',
    isFault: true,
    more: [error instanceof Error ? error.message : String(error)],
  });
