// Tells what became of decisions, and offers to take back those that were carried out.
import type { RollRow } from '../../protocol/roll-rows.ts';
import { requesterNow } from '../feed/roll.ts';
import { announce } from '../shell/announce.ts';
import { carryOut, type Outcome } from './carry-out.ts';
import { type Action, type Decision, deeds, takeBack, type Wish } from './deeds.ts';

export interface Decided {
  readonly action: Action;
  /** The nodes as they were before, in the order of the outcomes. */
  readonly rows: readonly RollRow[];
  readonly wish: Wish;
  readonly outcomes: readonly Outcome[];
}

const maxLines = 5;

export function tellOutcomes({ action, rows, wish, outcomes }: Decided): void {
  const failed = outcomes.filter(({ fault }) => fault);
  const carriedOut = rows.flatMap((row, index) => {
    const outcome = outcomes[index];
    return outcome && !outcome.fault ? { row, action, wish, operation: outcome.operation } : [];
  });
  const backs = () => carriedOut.flatMap(done => takeBack(done, requesterNow()) ?? []);
  if (carriedOut.length > 0) {
    const back = backs().length;
    announce({
      text: `${nodesText(carriedOut.map(({ row }) => row.id))} ${deeds[action].done}`,
      isFault: false,
      more: back > 0 && back < carriedOut.length ? [`Undo is about ${back} of them`] : [],
      ...(back > 0
        ? {
            undo: {
              // A node that waited for approval cannot be made to wait again.
              title: action === 'approve' ? 'Undo: reject' : 'Undo',
              act: () => void undo(backs(), deeds[action].undone),
            },
          }
        : {}),
    });
  }
  tellFaults(deeds[action].done, failed);
}

async function undo(decisions: readonly Decision[], what: string): Promise<void> {
  if (decisions.length > 0) return tellUndone(what, await carryOut(decisions));
  announce({ text: 'Nothing can be taken back any more: its time is over', isFault: false, more: [] });
}

function tellUndone(what: string, outcomes: readonly Outcome[]): void {
  const failed = outcomes.filter(({ fault }) => fault);
  const ids = outcomes.filter(({ fault }) => !fault).map(({ id }) => id);
  if (ids.length > 0) announce({ text: `${nodesText(ids)} ${what}`, isFault: false, more: [] });
  tellFaults(what, failed);
}

/** Tells of the decisions that failed, and apart from them of those whose answer was lost. */
function tellFaults(done: string, failed: readonly Outcome[]): void {
  const unknown = failed.filter(({ fault }) => fault?.isUnknown);
  const refused = failed.filter(({ fault }) => !fault?.isUnknown);
  if (refused.length > 0) tellSome(`not ${done}`, refused);
  if (unknown.length > 0) tellSome(`perhaps ${done}: no answer came`, unknown);
}

function tellSome(what: string, failed: readonly Outcome[]): void {
  const lines = failed.slice(0, maxLines).flatMap(({ id, fault }) => {
    if (!fault) return [];
    const where = failed.length > 1 && !fault.message.includes(id) ? `${id}: ` : '';
    return [`${where}${fault.message}`, ...(fault.hint && failed.length === 1 ? [fault.hint] : [])];
  });
  const rest = failed.length > maxLines ? [`and ${failed.length - maxLines} more`] : [];
  announce({
    text: `${nodesText(failed.map(({ id }) => id))} ${what}`,
    isFault: true,
    more: [...lines, ...rest],
  });
}

const nodesText = (ids: readonly string[]): string =>
  ids.length === 1 ? `${ids[0]}` : `${ids.length} nodes`;
