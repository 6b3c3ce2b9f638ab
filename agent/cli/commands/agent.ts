// `muster agent`: runs the agent of a compute node until it is told to stop.
import { runAgent } from '../../roles/run-agent.ts';
import type { Argv } from '../line/command.ts';

export const settings = 'agent';

export const run = (argv: Argv): Promise<number> => runAgent(() => argv.load());
