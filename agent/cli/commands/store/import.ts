// `muster store import FOLDER` takes over the nodes of a Bacalhau orchestrator, before the requester runs for the first time.
import { path } from '../../../config/kind.ts';
import { note, print } from '../../../output/terminal.ts';
import { importStore } from '../../../roles/restore/run-import.ts';
import { printable } from '../../../system/printable.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { findStoppedRequester } from '../stopped-requester.ts';

export const settings = 'requester';

export const operands = { folder: 'the data folder of the orchestrator, which has been stopped' };

export const flags = {
  'token-file': {
    value: 'FILE',
    kind: path,
    help: 'the token that its nodes show, so that they come back by themselves',
  },
} satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster store import /root/.bacalhau', 'on the machine of the orchestrator'],
  ['muster store import /root/.bacalhau --token-file token', 'and its nodes keep their token'],
];

/** Number of ids that a line names. */
const named = 5;

export async function run({
  load,
  flags: given,
  operands: { folder },
}: Argv<typeof flags, keyof typeof operands>): Promise<number> {
  const stopped = await findStoppedRequester(load);
  const { requester, node } = stopped.settings;
  const { nodes, orchestrators, left } = await importStore({
    ...stopped,
    from: folder,
    tokenFile: given['token-file'],
    signal: new AbortController().signal,
  });
  const number = [...nodes.values()].reduce((sum, each) => sum + each, 0);
  const each = [...nodes].sort().map(([membership, of]) => `${of} ${membership || 'of no membership'}`);
  print(`${[`${number} ${number === 1 ? 'node' : 'nodes'}`, ...each].join(', ')}\n`);
  if (left.length > 0) note(`Left alone, because muster cannot read the record or the id: ${listed(left)}`);
  if (!requester.unverifiedNodes)
    note('To let in nodes of Bacalhau, set requester.unverifiedNodes: true; see docs/bacalhau.md');
  // A requester that has the id of the orchestrator takes its place on the list.
  for (const id of orchestrators.filter(other => other !== node.id).slice(0, named))
    note(printable(`Once the requester runs, take the orchestrator off the list: muster node delete ${id}`));
  note('Start the requester now, at the address and the port that the nodes know.');
  return 0;
}

const listed = (ids: readonly string[]): string =>
  printable([...ids.slice(0, named), ...(ids.length > named ? ['…'] : [])].join(', '));
