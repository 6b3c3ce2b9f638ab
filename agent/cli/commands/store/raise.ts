// `muster store raise` has three servers of a NATS cluster store the roll.
import type { Argv, Example } from '../../line/command.ts';
import { moveFlags, moveSettings, runMoveCommand } from './move-command.ts';

export const settings = moveSettings;

export const flags = moveFlags;

export const examples: readonly Example[] = [
  ['muster store raise', 'see what would move, and change nothing'],
  ['muster store raise --yes', 'move it, while the requesters run'],
];

export const run = (argv: Argv<typeof flags>): Promise<number> => runMoveCommand(argv, 3);
