// Runs a command line: finds the command, reads its flags, calls it, and shows its error.
import { crash, showError } from '../output/errors.ts';
import { guardConsole, guardOutput, note, print } from '../output/terminal.ts';
import { beginLifetime } from '../roles/lifetime.ts';
import { exitCodes } from '../system/errors.ts';
import { commands, groupExamples } from './commands.ts';
import { readArgv } from './line/argv.ts';
import type { Argv, Command } from './line/command.ts';
import { locate, noCommand, type Place } from './line/place.ts';

/** Runs a command line and returns the exit code. Never throws. */
export async function run(typed: readonly string[]): Promise<number> {
  guardOutput();
  guardConsole();
  process.on('uncaughtException', crash);
  // New users often try `muster help` first.
  const args = typed[0] === 'help' ? [...typed.slice(1), '--help'] : typed;
  const place = locate(args, commands);
  if (place.row?.lasting && !place.asksFor) beginLifetime();
  let explain = false;
  try {
    if (place.asksFor !== undefined && place.unknown === undefined) {
      print(await answer(place));
      return 0;
    }
    // A person who types only the name wants to see the commands. A script that does so has made a mistake.
    if (typed.length === 0) {
      note((await answer({ ...place, asksFor: 'help' })).trimEnd());
      return exitCodes.usage;
    }
    const read = await readCommandLine(args, place).catch((error: unknown) => ({ error }));
    if ('error' in read)
      return showError(read.error, { help: ['muster', ...place.path, '--help'].join(' ') });
    explain = /^(debug|trace)$/i.test(String(read.argv.settings['log.level']));
    return await read.command.run(read.argv);
  } catch (error) {
    return showError(error, { explain });
  }
}

/**
 * Loads the command at `place` and reads its flags and operands from `args`.
 * @throws MusterError `usage`
 */
export async function readCommandLine(
  args: readonly string[],
  place: Place,
): Promise<{ command: Command; argv: Argv }> {
  if (!place.row) throw noCommand(place, args, commands);
  const command = await place.row.load();
  const settings =
    command.settings && (await import('./line/setting-flags.ts')).settingFlags(command.settings);
  const read = readArgv(args, { path: place.path, command, settings: settings ?? {} }, commands);
  const load: Argv['load'] = async options => {
    const { loadSettings } = await import('../config/load.ts');
    return loadSettings({ configFile: read.config, flags: read.settings, ...options });
  };
  return { command, argv: { ...read, load } };
}

/** Returns what `--help` or `--version` prints. */
async function answer(place: Place): Promise<string> {
  if (place.asksFor === 'version') return (await import('./commands/version.ts')).versionText;
  const { help } = await import('./line/help.ts');
  return help(place, { commands, groupExamples });
}
