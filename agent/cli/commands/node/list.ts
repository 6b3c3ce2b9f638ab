// `muster node list` lists the nodes on the roll.
import { type ApiClient, apiSettings, requesterApi } from '../../../api/client.ts';
import { choice, integer } from '../../../config/kind.ts';
import type { ColumnPrinter } from '../../../output/column-printer.ts';
import { formatAs, jsonText } from '../../../output/data.ts';
import { printPieces } from '../../../output/print-pieces.ts';
import { note, outputSize, outputWidth, print, printSlowly, warn } from '../../../output/terminal.ts';
import { nodeOrders } from '../../../protocol/http.ts';
import { systemClock } from '../../../system/clock.ts';
import { MusterError } from '../../../system/errors.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { outputFlag } from '../../line/output-flag.ts';
import { filterFlags, filterOf, parametersOf } from './filter-flags.ts';
import { type OpenedList, openList } from './open-list.ts';

export const settings = apiSettings;

export const flags = {
  output: outputFlag('table', 'wide', 'json', 'yaml', 'csv', 'name', 'ansible'),
  ...filterFlags,
  'order-by': {
    value: 'KEY',
    kind: choice(...nodeOrders),
    help: 'sort the nodes',
  },
  reverse: { help: 'reverse the order' },
  limit: { value: 'N', kind: integer(0, 4_294_967_295), help: 'list at most N nodes; 0 lists all' },
  watch: {
    short: 'w',
    help: 'show the list as it changes, until Ctrl-C; without a terminal, a line a change',
  },
  deleted: { help: 'list the nodes that were deleted or forgotten, the latest first' },
  'hide-header': { help: 'leave out the line of column titles' },
} satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster node list --filter-approval pending', 'list the nodes that wait for a decision'],
  ['muster node list -o wide --order-by available_gpu', 'show more columns, most free GPUs first'],
];

export async function run(argv: Argv<typeof flags>): Promise<number> {
  const { flags: given } = argv;
  if (given.deleted) return listGone(argv);
  if (given.watch) requireTable(given.output);
  const api = await requesterApi(argv.load);
  if (given.watch) return watch(api, given);
  // What the text needs is loaded while the requester is asked, so that the first row need not wait for it.
  const opening = openList(api, queryOf(given), filterOf(given));
  const [list, printList] = await Promise.all([opening, printerOf(given)]);
  if (list.doubt) warn(list.doubt);
  await printList(list);
  return 0;
}

type Given = Argv<typeof flags>['flags'];

function queryOf(given: Given): Record<string, string> {
  return {
    ...parametersOf(given),
    ...(given['order-by'] ? { order_by: given['order-by'] } : {}),
    ...(given.reverse ? { reverse: 'true' } : {}),
    ...(given.limit === undefined ? {} : { limit: String(given.limit) }),
  };
}

/** Lists the nodes that are gone. @throws MusterError `usage` for a flag that is about nodes on the roll */
async function listGone({ load, flags: { output }, given }: Argv<typeof flags>): Promise<number> {
  const other = [...given.keys()].find(
    name => !['deleted', 'output', 'hide-header'].includes(name) && Object.hasOwn(flags, name),
  );
  if (other !== undefined) throw excludes(`--${other}`);
  if (output === 'csv' || output === 'ansible') throw excludes(`--output ${output}`);
  const gone = await (await requesterApi(load)).goneNodes();
  if (output === 'name') print(gone.map(({ NodeID }) => `${NodeID}\n`).join(''));
  else if (output === 'json' || output === 'yaml') print(await formatAs(output, gone, () => ''));
  else {
    const { goneTable } = await import('./gone-table.ts');
    const look = { hasHeader: !given.has('hide-header'), total: outputWidth() };
    const table = goneTable(systemClock.now(), look);
    await printPieces(linesOf(table, gone));
    if (table.leftOut.length > 0) note(leftOutText(table.leftOut));
  }
  return 0;
}

const excludes = (other: string): MusterError =>
  new MusterError('usage', `--deleted and ${other} cannot be given together`, {
    hint: 'to choose among the nodes that are gone, read them as a script does: muster node list --deleted -o json',
  });

/** Watches the list until the process ends. */
async function watch(api: ApiClient, given: Given): Promise<never> {
  const { watchList } = await import('./watch-list.ts');
  return watchList({
    clock: systemClock,
    open: () => openList(api, queryOf(given), filterOf(given)),
    url: () => api.url,
    look: { isWide: given.output === 'wide', hasHeader: !given['hide-header'] },
    screen: outputSize,
  });
}

/** @throws MusterError `usage` for a format that nobody can read while it goes on */
function requireTable(output: Given['output']): void {
  if (output === 'table' || output === 'wide') return;
  throw new MusterError('usage', `--watch and --output ${output} exclude each other`, {
    hint: 'a script reads changes with: muster events --follow -o json',
  });
}

/** Prints a list. */
type ListPrinter = (list: OpenedList) => Promise<unknown>;

async function printerOf({ output, 'hide-header': isBare }: Given): Promise<ListPrinter> {
  const hasHeader = !isBare;
  if (output === 'ansible') {
    const { ansibleInventory } = await import('./ansible-inventory.ts');
    const leaveOut = (id: string) => warn(`left out: node ${id}, whose id means something else in Ansible`);
    return async ({ nodes }) => printSlowly(jsonText(await ansibleInventory(nodes, leaveOut)));
  }
  if (output === 'table' || output === 'wide') {
    const { nodeTable } = await import('./list-table.ts');
    return async ({ nodes, facts }) => {
      const table = nodeTable(facts, { isWide: output === 'wide', hasHeader, total: outputWidth() });
      await printPieces(linesOf(table, nodes));
      if (table.leftOut.length > 0) note(leftOutText(table.leftOut));
    };
  }
  const { listData } = await import('./list-data.ts');
  return ({ nodes, facts }) => printPieces(listData(output, nodes, { hasHeader, facts }));
}

async function* linesOf<Node>(
  table: ColumnPrinter<Node>,
  nodes: AsyncIterable<Node> | Iterable<Node>,
): AsyncGenerator<string> {
  for await (const node of nodes) yield table.add(node);
  yield table.end();
}

const leftOutText = (titles: readonly string[]): string =>
  `left out for width: ${titles.join(', ')}; a pipe has them`;
