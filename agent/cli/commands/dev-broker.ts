// This hidden command runs the broker of `muster dev` when that has several requesters.
import { runDevBroker } from '../../roles/run-dev-broker.ts';
import type { Argv } from '../line/command.ts';

export const settings = 'requester';

export const run = (argv: Argv): Promise<number> => runDevBroker(() => argv.load({ role: 'requester' }));
