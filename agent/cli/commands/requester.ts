// `muster requester` runs the requester until it is told to stop. It also runs a broker, unless the settings name one.
import { checkRoleRequirements } from '../../roles/role-requirements.ts';
import { runRequester } from '../../roles/run-requester.ts';
import type { Argv, Example } from '../line/command.ts';

export const settings = 'requester';

export const examples: readonly Example[] = [
  ['muster requester', 'keep the roll of the nodes on this machine'],
  ['muster requester --broker-host 0.0.0.0', 'let other machines reach the broker too'],
];

/** Runs the requester. A start and a reload refuse the same settings as `muster config check`. */
export const run = (argv: Argv): Promise<number> =>
  runRequester(() =>
    argv.load({
      role: 'requester',
      findMoreConflicts: settings => checkRoleRequirements('requester', settings),
    }),
  );
