// Tells people what became of a wish about many nodes, and how to try the rest again.

import { print, showMessage } from '../../../output/terminal.ts';
import { type ErrorCode, exitCodes } from '../../../system/errors.ts';
import { printable } from '../../../system/printable.ts';
import { shellLine } from '../../../system/shell-word.ts';
import type { Outcome } from './carry-out.ts';
import { selectionFlags } from './choose-nodes.ts';
import type { Deed } from './deed.ts';

/** Returns the object that shows an outcome as it comes. A hint is shown once, also when it names another node each time. */
export function outcomeLines({ done }: Deed): { show(outcome: Outcome): void } {
  const hints = new Set<string>();
  return {
    show(outcome) {
      const { NodeID, Result, Code, Error: reason = '', Hint } = outcome;
      if (Result === 'done') return print(`${printable(NodeID, 128)}: ${done}\n`);
      const kind = Hint && general(Hint, outcome);
      const hint = kind === undefined || hints.has(kind) ? undefined : printable(Hint ?? '', 1024);
      if (kind !== undefined) hints.add(kind);
      const text = reason.includes(NodeID) ? reason : `${NodeID}: ${reason}`;
      showMessage('Error', printable(text, 4096), { ...(Code ? { code: Code } : {}), hint });
    },
  };
}

/**
 * Says how many nodes were left, why, and which command tries those again for which another attempt may help. Returns the exit
 * code. It says nothing when all was done.
 */
export function summary(
  given: ReadonlyMap<string, readonly string[]>,
  deed: Deed,
  outcomes: readonly Outcome[],
): number {
  const rest = outcomes.filter(({ Result }) => Result !== 'done');
  if (rest.length === 0) return 0;
  const untried = rest.filter(({ Result }) => Result === 'not tried').length;
  const text = `${howMany(rest.length, outcomes.length)} not ${deed.undone ?? deed.done}`;
  const code = rest.find(({ Code }) => Code === 'unreachable' || Code === 'not_allowed')?.Code ?? 'failed';
  const ids = rest.flatMap(({ NodeID, Code }) => (isFinal(Code) ? [] : NodeID));
  const these = ids.length < rest.length ? 'the others' : ids.length === 1 ? 'it' : 'these';
  const again = deed.retriedBy ?? commandFor(deed, given, Object.keys(selectionFlags), ids);
  showMessage('Error', untried > 0 ? `${text}; ${untriedText(untried, rest.length)}` : text, {
    code,
    more: reasons(rest),
    ...(ids.length > 0 ? { hint: `to try ${these} again:`, command: again } : {}),
  });
  return exitCodes[code];
}

const howMany = (count: number, all: number): string =>
  all === 1 ? 'the node was' : `${count} of ${all} nodes ${count === 1 ? 'was' : 'were'}`;

const untriedText = (count: number, rest: number): string =>
  rest === 1 ? 'it was not tried' : `${count} of them ${count === 1 ? 'was' : 'were'} not tried`;

/** Whether a requester would refuse the same again, such as the approval of an approved node. */
const isFinal = (code: ErrorCode | undefined): boolean =>
  code !== undefined && /^(conflict|not_found|ambiguous)$/.test(code);

/** Returns a command line for these ids, with the flags that were given, except those in `without`. */
export function commandFor(
  { path, flags, words: after = [] }: Pick<Deed, 'path' | 'flags' | 'words'>,
  given: ReadonlyMap<string, readonly string[]>,
  without: readonly string[],
  ids: readonly string[],
): string {
  const isOn = (name: string, text: string) =>
    Object.hasOwn(flags, name) && flags[name]?.value === undefined && text === 'true';
  const words = [...given].flatMap(([name, texts]) =>
    without.includes(name) ? [] : texts.map(text => (isOn(name, text) ? `--${name}` : `--${name}=${text}`)),
  );
  // An id may begin with a dash.
  const end = ids.some(id => id.startsWith('-')) ? ['--'] : [];
  return shellLine(['muster', ...path.split(' '), ...words, ...end, ...ids, ...after]);
}

const maxReasons = 5;

/** Returns the reasons with the number of nodes of each, the commonest first; of a single node its reason as it is. */
function reasons(rest: readonly Outcome[]): string[] {
  const [only] = rest;
  if (only?.Error !== undefined && rest.length === 1) return [printable(only.Error, 512)];
  const counts = new Map<string, number>();
  for (const outcome of rest) {
    if (outcome.Error === undefined) continue;
    const reason = printable(general(outcome.Error, outcome), 512);
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  const shown = sorted.slice(0, maxReasons).map(([reason, count]) => `${count} × ${reason}`);
  return sorted.length > maxReasons ? [...shown, `… and ${sorted.length - maxReasons} more reasons`] : shown;
}

/** Returns what a text about one node says about any. */
const general = (text: string, { NodeID, Operation = '' }: Outcome): string =>
  withWord(withWord(text, Operation, 'OPERATION'), NodeID, 'ID');

/** Returns `text` with another word in place of `word`. A node whose id is a letter leaves the other words as they are. */
function withWord(text: string, word: string, other: string): string {
  if (word === '') return text;
  return text.replace(new RegExp(`(?<![\\w-])${RegExp.escape(word)}(?![\\w-])`, 'g'), other);
}
