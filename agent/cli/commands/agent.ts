// `muster agent` runs the agent of a compute node until it is told to stop.
import { checkRoleRequirements } from '../../roles/role-requirements.ts';
import { runAgent } from '../../roles/run-agent.ts';
import type { Argv, Example } from '../line/command.ts';

export const settings = 'agent';

export const examples: readonly Example[] = [
  ['muster agent', 'take part in the cluster whose code "muster agent join" got'],
  [
    'muster agent --nats-servers nats://head:4222 --nats-token-file token',
    'take part by a NATS of your own on the machine head',
  ],
];

/** Runs the agent. A start and a reload warn of the same settings as `muster config check`. */
export const run = (argv: Argv): Promise<number> =>
  runAgent(() =>
    argv.load({
      role: 'agent',
      findMoreConflicts: settings => checkRoleRequirements('agent', settings),
    }),
  );
