// `muster restore FILE` makes the requester of this machine again from a backup.
import { integer } from '../../config/kind.ts';
import { note, print } from '../../output/terminal.ts';
import { restore } from '../../roles/restore/run-restore.ts';
import { printable } from '../../system/printable.ts';
import type { Argv, Example, FlagTable } from '../line/command.ts';
import { findStoppedRequester } from './stopped-requester.ts';

export const settings = 'requester';

export const operands = { file: 'the file that muster backup wrote' };

export const flags = {
  replace: {
    value: 'CLUSTER',
    help: 'replace the state of this cluster, which is kept under another name',
  },
  replicas: {
    value: 'N',
    kind: integer(1, 5),
    help: 'on a NATS of your own: the number of servers that store each stream',
  },
} satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster restore muster.backup', 'on a new machine, before the requester is started'],
  ['muster restore muster.backup --replicas 3', 'on a NATS of three servers, from a backup of one'],
];

export async function run({
  load,
  flags: given,
  operands: { file },
}: Argv<typeof flags, keyof typeof operands>): Promise<number> {
  const { cluster, requester, at, kept } = await restore({
    ...(await findStoppedRequester(load)),
    path: file,
    replace: given.replace,
    replicas: given.replicas,
    signal: new AbortController().signal,
  });
  print(`${printable(`cluster ${cluster}, requester ${requester}, as they were at ${at}`)}\n`);
  for (const path of kept) note(printable(`What was there before is in ${path}`));
  note('Start the requester now. The nodes come back by themselves, if they find it at its old address.');
  return 0;
}
