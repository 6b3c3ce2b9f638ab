// `muster store lower` has one server of a NATS cluster store the roll, as Bacalhau needs it.
import type { Argv, Example } from '../../line/command.ts';
import { moveFlags, moveSettings, runMoveCommand } from './move-command.ts';

export const settings = moveSettings;

export const flags = moveFlags;

export const examples: readonly Example[] = [
  ['muster store lower', 'see what would move, and change nothing'],
  ['muster store lower --yes', 'move it, before Bacalhau opens the store'],
];

export const run = (argv: Argv<typeof flags>): Promise<number> => runMoveCommand(argv, 1);
