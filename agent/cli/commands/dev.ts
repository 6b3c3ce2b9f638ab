// `muster dev` runs a whole cluster on this machine until it is told to stop.
import { integer } from '../../config/kind.ts';
import { print } from '../../output/terminal.ts';
import { programName } from '../../roles/own-command.ts';
import { runDev } from '../../roles/run-dev.ts';
import type { Argv, Example, FlagTable } from '../line/command.ts';

export const settings = ['dataDir', 'api.port', 'broker.port'] as const;

export const flags = {
  nodes: { value: 'N', kind: integer(0, 100), default: 1, help: 'number of agents' },
  requesters: {
    value: 'N',
    kind: integer(1, 5),
    default: 1,
    help: 'number of requesters; several use a broker beside them',
  },
  fresh: { help: 'forget the nodes of earlier runs' },
} as const satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster dev', 'run a requester, its broker and one agent'],
  ['muster dev --nodes 3 --fresh', 'begin anew, with three agents'],
];

export const run = (argv: Argv<typeof flags>): Promise<number> =>
  runDev(() => argv.load(), { ...argv.flags, configFile: argv.config, program: programName() }, print);
