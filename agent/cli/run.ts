// Runs a command line: finds the command, reads its flags, calls it, and tells of what went wrong.

import { crash, report } from '../output/report.ts';
import { guardConsole, guardOutput, note, print } from '../output/terminal.ts';
import { beginLifetime } from '../roles/lifetime.ts';
import { MusterError } from '../system/errors.ts';
import { readArgv } from './line/argv.ts';
import type { Argv, Command } from './line/command.ts';
import { locate, noCommand, type Place } from './line/place.ts';

/** Answers the exit code. Never throws. */
export async function run(typed: readonly string[]): Promise<number> {
  guardOutput();
  guardConsole();
  process.on('uncaughtException', crash);
  // What a newcomer tries first.
  const args = typed[0] === 'help' ? [...typed.slice(1), '--help'] : typed;
  const place = locate(args);
  if (place.row?.lasting && !place.asksFor) beginLifetime();
  let explain = false;
  try {
    if (place.asksFor !== undefined && place.unknown === undefined) {
      print(await about(place));
      return 0;
    }
    const asked = await understand(args, place).catch(error => misused(error, place));
    if (typeof asked === 'number') return asked;
    explain = /^(debug|trace)$/i.test(String(asked.argv.settings['log.level']));
    return await asked.command.run(asked.argv);
  } catch (error) {
    return report(error, explain);
  }
}

/**
 * The command that stands at `place` in `args`, and what they give it.
 * @throws MusterError `usage`
 */
export async function understand(
  args: readonly string[],
  place: Place,
): Promise<{ command: Command; argv: Argv }> {
  if (!place.row) throw noCommand(place, args);
  const command = await place.row.load();
  const settings =
    command.settings && (await import('./line/setting-flags.ts')).settingFlags(command.settings);
  const read = readArgv(args, place.path, command, settings ?? {});
  const load: Argv['load'] = async options => {
    const { loadSettings } = await import('../config/load.ts');
    return loadSettings({ configFile: read.config, flags: read.settings, ...options });
  };
  return { command, argv: { ...read, load } };
}

/** What `--help` and `--version` print. */
async function about(place: Place): Promise<string> {
  if (place.asksFor === 'help') return (await import('./line/help.ts')).help(place);
  return (await import('./commands/version.ts')).versionText;
}

/** Usage first, so that what is wrong stands last, next to the prompt. */
async function misused(error: unknown, place: Place): Promise<number> {
  if (!(error instanceof MusterError)) throw error;
  const { usage } = await import('./line/help.ts');
  note(await usage(place));
  return report(error, false);
}
