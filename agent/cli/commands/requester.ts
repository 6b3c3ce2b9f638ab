// `muster requester`: runs the requester, and its own broker where no other is set, until it is told to stop.
import { checkRoleRequirements } from '../../roles/role-requirements.ts';
import { runRequester } from '../../roles/run-requester.ts';
import type { Argv } from '../line/command.ts';

export const settings = 'requester';

/** A start and a reload refuse the settings that `muster config check` refuses. */
export const run = (argv: Argv): Promise<number> =>
  runRequester(() => argv.load({ alsoCheck: settings => checkRoleRequirements('requester', settings) }));
