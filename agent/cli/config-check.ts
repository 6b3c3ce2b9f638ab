// `muster config check`: finds every fault in the settings, and what is doubtful about them.
import { printable } from '../system/printable.ts';
import type { Argv } from './command.ts';
import { print, tell } from './terminal.ts';

export const settings = 'all';

export async function run(argv: Argv): Promise<number> {
  const { file, warnings } = await argv.load();
  for (const warning of warnings) tell('Warning', printable(warning, 4096));
  print(
    `Ok: ${file === undefined ? 'no configuration file, so the defaults hold' : printable(file, 4096)}\n`,
  );
  return 0;
}
