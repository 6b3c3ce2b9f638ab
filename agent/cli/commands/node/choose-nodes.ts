// Finds the nodes that a command is about: those whose ids were typed, or those that a selection chooses, when the operator
// agrees.
import type { ShownNode } from '../../../api/answers.ts';
import type { ApiClient } from '../../../api/client.ts';
import { requireKnown } from '../../../api/orchestrator.ts';
import { askYes, isAtTerminal } from '../../../output/ask-yes.ts';
import { factsOf } from '../../../output/node-columns.ts';
import { note, warn } from '../../../output/terminal.ts';
import { catchInterruption, endBySignal } from '../../../roles/interruption.ts';
import { systemClock } from '../../../system/clock.ts';
import { MusterError } from '../../../system/errors.ts';
import { printable } from '../../../system/printable.ts';
import { shellLine } from '../../../system/shell-word.ts';
import type { Argv, FlagTable } from '../../line/command.ts';
import { outputFlag } from '../../line/output-flag.ts';
import type { Target } from './carry-out.ts';
import type { Deed } from './deed.ts';
import { filterFlags, filterOf, parametersOf } from './filter-flags.ts';
import { nodeTable } from './list-table.ts';
import { openList } from './open-list.ts';

/** The words that may follow a command that decides. */
export const chosenIds = { id: 'the whole ids of nodes, instead of a selection' };

/** The flags of every command that decides. Without a filter, the ids of the nodes are typed. */
export const selectionFlags = {
  ...filterFlags,
  yes: { help: 'do not ask whether the selection is right; needed where there is no terminal' },
  output: outputFlag('text', 'json', 'yaml'),
} satisfies FlagTable;

export type ChoosingArgv = Argv<typeof selectionFlags>;

/** The nodes that a command is about, and whether a selection has found them. */
export interface Choice {
  targets: Target[];
  isSelection: boolean;
}

/** Number of nodes that are shown before the question. */
const maxShown = 20;

/**
 * Returns the nodes, and whether a selection has found them. @throws MusterError `usage` for neither or both, or for a selection
 * that nobody can confirm; `not_found` when it chooses nothing; `conflict` when nothing is left to do; `failed` when the operator
 * says no; what the API throws.
 */
export async function chooseNodes(argv: ChoosingArgv, deed: Deed, api: ApiClient): Promise<Choice> {
  const filters = filtersIn(argv.given);
  const ids = [...new Set(argv.rest)];
  const [id] = ids;
  if (id !== undefined && filters.length > 0) throw bothGiven(id, filters);
  if (id !== undefined) return { targets: ids.map(each => ({ id: each })), isSelection: false };
  if (filters.length === 0) throw nothingGiven(deed.path);
  if (argv.flags.labels.some(text => text.trim() === '')) throw emptySelector();
  const isAsked = !argv.flags.yes;
  if (isAsked && !isAtTerminal()) throw needsYes(deed.path);
  const { chosen, leftOut } = await select(argv, deed, api);
  if (isAsked) await confirm(chosen, leftOut, argv, deed);
  else for (const text of leftOut) note(text);
  const { 'silent-for': silentForMs } = argv.flags;
  // The membership and the silence of each node are compared apart: their errors say what happened meanwhile.
  const { 'filter-approval': _approval, 'silent-for': _silence, ...filter } = parametersOf(argv.flags);
  const targets = chosen.map(node => ({ id: node.Info.NodeID, node, silentForMs, filter }));
  return { targets, isSelection: true };
}

/** Returns whether flags choose nodes. */
export const isSelecting = (given: ChoosingArgv['given']): boolean => filtersIn(given).length > 0;

const filtersIn = (given: ChoosingArgv['given']): string[] =>
  Object.keys(filterFlags).filter(name => given.has(name));

/** What a filter chooses. */
export interface Selection {
  chosen: ShownNode[];
  /** Sentences about the nodes that the filter chooses, and that are left out. */
  leftOut: string[];
}

/**
 * Returns the nodes that the filter in the flags chooses, without those that are left out. @throws MusterError `not_found`,
 * `conflict`, `unsupported`
 */
export async function select(
  { flags }: ChoosingArgv,
  deed: Pick<Deed, 'asks' | 'done' | 'undone' | 'leaveOut'>,
  api: ApiClient,
): Promise<Selection> {
  // What an orchestrator of Bacalhau cannot do at all says more than that it does not know a filter.
  const requirePossible = () => api.orchestrator && requireKnown(api.orchestrator, deed.asks);
  const opening = openList(api, parametersOf(flags), filterOf(flags));
  const { nodes, doubt } = await opening.catch(error => {
    requirePossible();
    throw error;
  });
  if (doubt) warn(doubt);
  requirePossible();
  const found = await Array.fromAsync(nodes);
  if (found.length === 0) throw nothingChosen();
  const chosen: ShownNode[] = [];
  const out = new Map<string, string[]>();
  for (const node of found) {
    const why = node.Info.NodeType === 'Requester' ? 'a requester' : deed.leaveOut?.(node);
    if (why === undefined) chosen.push(node);
    else out.set(why, [...(out.get(why) ?? []), node.Info.NodeID]);
  }
  const leftOut = [...out].map(([why, ids]) => `Left out (${why}): ${shortList(ids)}`);
  if (chosen.length > 0) return { chosen, leftOut };
  throw new MusterError('conflict', `no node is left that could be ${deed.undone ?? deed.done}`, {
    details: leftOut,
  });
}

async function confirm(
  chosen: readonly ShownNode[],
  leftOut: readonly string[],
  argv: ChoosingArgv,
  { verb, consequence }: Deed,
): Promise<void> {
  const shown = chosen.slice(0, maxShown);
  const look = { isWide: false, hasHeader: true, total: process.stderr.columns };
  const table = nodeTable(factsOf(shown, systemClock.now()), look);
  note(`${shown.map(node => table.add(node)).join('')}${table.end()}`.trimEnd());
  if (chosen.length > maxShown) note(`… and ${chosen.length - maxShown} more. All: ${listCommand(argv)}`);
  for (const text of leftOut) note(text);
  const what = chosen.length === 1 ? 'this node' : `these ${chosen.length} nodes`;
  const question = `${verb[0]?.toUpperCase()}${verb.slice(1)} ${what}${consequence ? `, ${consequence}` : ''}?`;
  const caught = catchInterruption(() => {
    note('\nNothing was done.');
    endBySignal(caught.signal ?? 'SIGINT');
  });
  const isAgreed = await askYes(printable(question));
  caught.release();
  if (isAgreed) return;
  throw new MusterError('failed', 'nothing was done, because the answer was not y');
}

/** Returns the command that lists what the selection chooses. */
function listCommand({ given, flags }: ChoosingArgv): string {
  const own = new Set(Object.keys(flags).filter(name => !Object.hasOwn(filterFlags, name)));
  const words = [...given].flatMap(([name, texts]) =>
    own.has(name) ? [] : texts.map(text => `--${name}=${text}`),
  );
  return shellLine(['muster', 'node', 'list', ...words]);
}

function shortList(ids: readonly string[]): string {
  const shown = ids.slice(0, 5).join(', ');
  return printable(ids.length > 5 ? `${shown} and ${ids.length - 5} more` : shown, 1024);
}

const flagNames = (names: readonly string[]): string => names.map(name => `--${name}`).join(', ');

const bothGiven = (id: string, filters: readonly string[]): MusterError =>
  new MusterError(
    'usage',
    `the id ${printable(id, 128)} and the selection by ${flagNames(filters)} cannot be given together`,
    { hint: 'name the nodes, or choose them by flags' },
  );

const nothingGiven = (path: string): MusterError =>
  new MusterError('usage', `${path} needs the whole ids of nodes, or a selection of nodes`, {
    hint: `select nodes with ${flagNames(Object.keys(filterFlags))}`,
  });

// A script whose variable is empty would decide about every node.
const emptySelector = (): MusterError =>
  new MusterError('usage', '--labels is empty, which would mean every node', {
    hint: 'if every node is meant, name a label that all of them have, such as --labels os_type',
  });

const needsYes = (path: string): MusterError =>
  new MusterError('usage', `${path} with a selection needs --yes where nobody can be asked`, {
    hint: 'see first what it chooses, with the same flags: muster node list',
  });

const nothingChosen = (): MusterError =>
  new MusterError('not_found', 'no node matches the selection', {
    hint: 'see which nodes there are, and their labels: muster node list -o wide',
  });
