// `muster store rebuild` writes again the records that the store lost, as the events tell them.
import { type ApiClient, apiSettings, requesterApi } from '../../../api/client.ts';
import { formatAs } from '../../../output/data.ts';
import { table } from '../../../output/table.ts';
import { note, print, warn } from '../../../output/terminal.ts';
import type { LostNode } from '../../../protocol/http.ts';
import { MusterError } from '../../../system/errors.ts';
import { printable } from '../../../system/printable.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { outputFlag } from '../../line/output-flag.ts';
import { actor } from '../actor.ts';

export const optionalOperands = { id: 'the id of the only node whose record is meant; all without it' };

export const settings = apiSettings;

export const flags = {
  'dry-run': { help: 'list the records, and write none' },
  output: outputFlag('table', 'json', 'yaml'),
} satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster store rebuild --dry-run', 'list the records that would be written'],
  ['muster store rebuild gpu-7', 'write the record of one node'],
];

export async function run({
  load,
  flags: given,
  operands: { id },
}: Argv<typeof flags, never, keyof typeof optionalOperands>): Promise<number> {
  const api = await requesterApi(load);
  const nodes = (await api.lostNodes()).filter(({ NodeID }) => id === undefined || NodeID === id);
  if (id !== undefined && nodes.length === 0) throw notLost(id);
  if (given['dry-run'] || nodes.length === 0) {
    print(await formatAs(given.output, nodes, () => lostTable(nodes)));
    return 0;
  }
  const results = await rebuildAll(api, nodes, given.output === 'table');
  if (given.output !== 'table') print(await formatAs(given.output, results, () => lostTable(results)));
  const failed = results.filter(({ Error: reason }) => reason !== undefined).length;
  if (failed < results.length)
    note('Labels and cordons are back too, as far as the events tell them; see: muster node describe ID');
  if (failed === 0) return 0;
  throw new MusterError('failed', `${failed} of ${nodes.length} records were not written`, {
    hint: 'run it again; what was written stays',
  });
}

const notLost = (id: string): MusterError =>
  new MusterError('not_found', `the store did not lose a record of node ${id}`, {
    hint: 'list the lost records by: muster store rebuild --dry-run',
  });

/** A lost node after the attempt to write its record. */
interface Result extends LostNode {
  /** The reason why the record was not written. */
  Error?: string;
}

/** Writes the records one after the other. A record that cannot be written does not stop the others. */
async function rebuildAll(api: ApiClient, nodes: readonly LostNode[], isShown: boolean): Promise<Result[]> {
  const who = actor();
  const results: Result[] = [];
  for (const node of nodes) {
    try {
      await api.rebuild(node.NodeID, who);
      if (isShown) print(`${node.NodeID} is ${approvalOf(node)} again\n`);
      results.push(node);
    } catch (error) {
      // Without a requester or the right to decide, no other record can be written either.
      if (!(error instanceof MusterError) || /^(unreachable|not_allowed)$/.test(error.code)) throw error;
      if (isShown) warn(printable(`${node.NodeID}: ${error.message}`));
      results.push({ ...node, Error: error.message });
    }
  }
  return results;
}

function lostTable(nodes: readonly Result[]): string {
  if (nodes.length === 0) return 'Nothing is missing: the store has every record that the events tell of.\n';
  const rows = nodes.map(node =>
    [node.NodeID, approvalOf(node), node.At, node.Actor, node.Reason].map(cell => printable(cell)),
  );
  return table([['ID', 'APPROVAL', 'SINCE', 'BY', 'REASON'], ...rows]);
}

const approvalOf = ({ Membership }: LostNode): string => Membership || 'DELETED';
