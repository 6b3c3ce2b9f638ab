// This hidden command runs the checks of `muster doctor` in a process of its own.
import { runAllChecks } from '../../doctor/run-all-checks.ts';
import type { Argv } from '../line/command.ts';
import type { flags } from './doctor.ts';

export { flags, settings } from './doctor.ts';

export async function run({ flags: { role, bundle }, config, load }: Argv<typeof flags>): Promise<number> {
  await runAllChecks({ role, bundle: bundle !== undefined, configFile: config, load });
  return 0;
}
