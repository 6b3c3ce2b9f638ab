// `muster node list`: the nodes on the roll.

import type { ShownNode } from '../../../api/answers.ts';
import { type ApiClient, apiSettings, requesterApi } from '../../../api/client.ts';
import { choice, integer } from '../../../config/kind.ts';
import { jsonText, yamlText } from '../../../output/data.ts';
import { print, tell } from '../../../output/terminal.ts';
import { orderNames } from '../../../requester/api/node-query.ts';
import { printable } from '../../../system/printable.ts';
import type { Argv, FlagTable } from '../../line/command.ts';
import { outputFlag } from '../../line/output-flag.ts';

export const settings = apiSettings;

export const flags = {
  output: outputFlag('table', 'wide', 'json', 'yaml'),
  'filter-approval': {
    value: 'APPROVAL',
    kind: choice('approved', 'pending', 'rejected'),
    help: 'only these',
  },
  'filter-status': {
    value: 'STATUS',
    kind: choice('healthy', 'unhealthy', 'unknown', 'connected', 'disconnected'),
    help: 'only these',
  },
  labels: {
    value: 'SELECTOR',
    many: true,
    help: 'only nodes with such labels: "env=prod,zone in (eu,us),!spot"',
  },
  'order-by': {
    value: 'KEY',
    kind: choice(...orderNames),
    help: 'sort by it',
  },
  reverse: { help: 'sort the other way round' },
  limit: { value: 'N', kind: integer(0, 4_294_967_295), help: 'at most so many; 0 is all' },
  'hide-header': { help: 'leave out the line of titles' },
} satisfies FlagTable;

export async function run(argv: Argv<typeof flags>): Promise<number> {
  const { flags: given } = argv;
  const api = await requesterApi(argv.load);
  const [nodes, doubtful] = await Promise.all([api.nodes(queryOf(given)), doubt(api)]);
  if (doubtful) tell('Warning', doubtful);
  print(await render(nodes, given));
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

async function render(nodes: ShownNode[], given: Given): Promise<string> {
  if (given.output === 'json') return jsonText(nodes);
  if (given.output === 'yaml') return yamlText(nodes);
  const [{ narrow, wide }, { table }] = await Promise.all([
    import('./columns.ts'),
    import('../../../output/table.ts'),
  ]);
  const columns = given.output === 'wide' ? wide : narrow;
  const rows = nodes.map(node => columns.map(([, cell]) => cell(node)));
  return table(given['hide-header'] ? rows : [columns.map(([title]) => title), ...rows]);
}

/** Why the list may be wrong: what the requester says of itself, when it is not ready. */
async function doubt(api: ApiClient): Promise<string | undefined> {
  // A Bacalhau orchestrator has no such status; if nothing answers at all, the list itself says so.
  const status = await api.status().catch(() => undefined);
  if (status === undefined || status.state === 'ready') return undefined;
  return printable(`the requester is ${status.state}${status.reason ? `: ${status.reason}` : ''}`);
}
