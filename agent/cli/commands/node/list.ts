// `muster node list` lists the nodes on the roll.
import type { ShownNode } from '../../../api/answers.ts';
import { type ApiClient, apiSettings, requesterApi } from '../../../api/client.ts';
import { choice, integer } from '../../../config/kind.ts';
import { formatAs } from '../../../output/data.ts';
import { print, warn } from '../../../output/terminal.ts';
import { nodeOrders } from '../../../protocol/http.ts';
import { printable } from '../../../system/printable.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { outputFlag } from '../../line/output-flag.ts';

export const settings = apiSettings;

export const flags = {
  output: outputFlag('table', 'wide', 'json', 'yaml'),
  'filter-approval': {
    value: 'APPROVAL',
    kind: choice('approved', 'pending', 'rejected'),
    help: 'list only these',
  },
  'filter-status': {
    value: 'STATUS',
    kind: choice('healthy', 'unhealthy', 'unknown', 'connected', 'disconnected'),
    help: 'list only these',
  },
  labels: {
    value: 'SELECTOR',
    many: true,
    help: 'list only nodes with these labels: "env=prod,zone in (eu,us),!spot"',
  },
  'order-by': {
    value: 'KEY',
    kind: choice(...nodeOrders),
    help: 'sort the nodes',
  },
  reverse: { help: 'reverse the order' },
  limit: { value: 'N', kind: integer(0, 4_294_967_295), help: 'list at most N nodes; 0 lists all' },
  'hide-header': { help: 'leave out the line of column titles' },
} satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster node list --filter-approval pending', 'list the nodes that wait for a decision'],
  ['muster node list -o wide --order-by available_gpu', 'show more columns, most free GPUs first'],
];

export async function run(argv: Argv<typeof flags>): Promise<number> {
  const { flags: given } = argv;
  const api = await requesterApi(argv.load);
  const nodes = await api.nodes(queryOf(given));
  // The requester that gave the list is asked, which may be another one than the first.
  const doubt = await doubtAbout(api);
  if (doubt) warn(doubt);
  print(await formatAs(given.output, nodes, () => nodeTable(nodes, given)));
  return 0;
}

type Given = Argv<typeof flags>['flags'];

function queryOf(given: Given): Record<string, string> {
  const query = {
    'filter-approval': given['filter-approval'],
    'filter-status': given['filter-status'],
    labels: given.labels.join(',') || undefined,
    order_by: given['order-by'],
    reverse: given.reverse ? 'true' : undefined,
    limit: given.limit?.toString(),
  };
  return Object.fromEntries(
    Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

async function nodeTable(nodes: ShownNode[], given: Given): Promise<string> {
  const [{ narrowFor, wideFor }, { table }] = await Promise.all([
    import('./columns.ts'),
    import('../../../output/table.ts'),
  ]);
  const columns = given.output === 'wide' ? wideFor(nodes) : narrowFor(nodes);
  const rows = nodes.map(node => columns.map(([, cell]) => cell(node)));
  return table(given['hide-header'] ? rows : [columns.map(([title]) => title), ...rows]);
}

/** Returns why the list may be wrong, which is the state of the requester when it is not ready. */
async function doubtAbout(api: ApiClient): Promise<string | undefined> {
  // A Bacalhau orchestrator does not have this status. If nothing answers, the request for the nodes fails later.
  const status = await api.status().catch(() => undefined);
  if (status === undefined || status.state === 'ready') return undefined;
  return printable(`the requester is ${status.state}${status.reason ? `: ${status.reason}` : ''}`);
}
