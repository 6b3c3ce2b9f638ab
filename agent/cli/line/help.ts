// What `--help` prints, and the usage that goes with a command line that cannot be read. Drawn by yargs.
import yargs, { type Options } from 'yargs';
import { commands } from '../commands.ts';
import { type Command, type Flag, type FlagTable, globalFlags } from './command.ts';
import type { Place } from './place.ts';
import { settingFlags } from './setting-flags.ts';

const widest = 100;

/** The help of a command, or of a group of commands. */
export async function help(place: Place): Promise<string> {
  return place.row ? commandHelp(place, await place.row.load()) : groupHelp(place);
}

/** How a command is called, in one line, and where the rest stands. For a group, its commands. */
export async function usage(place: Place): Promise<string> {
  if (!place.row) return groupHelp(place);
  const line = usageLine(place, await place.row.load());
  return `${line}\n       muster ${place.path.join(' ')} --help lists the flags\n`;
}

function usageLine({ path }: Place, command: Command): string {
  const operands = [
    ...Object.keys(command.operands ?? {}).map(name => name.toUpperCase()),
    ...Object.keys(command.optionalOperands ?? {}).map(name => `[${name.toUpperCase()}]`),
  ];
  return `Usage: ${['muster', ...path, ...operands, '[flags]'].join(' ')}`;
}

async function commandHelp(place: Place, command: Command): Promise<string> {
  const own = command.flags ?? {};
  const settings = Object.fromEntries(
    Object.entries(settingFlags(command.settings)).filter(([, flag]) => !flag.refused),
  );
  const operands = Object.entries({ ...command.operands, ...command.optionalOperands });
  const draw = blank(usageLine(place, command), place.row?.help);
  for (const [name, text] of operands) draw.option(name.toUpperCase(), { describe: text });
  for (const [name, flag] of Object.entries({ ...own, ...settings, ...globalFlags })) {
    draw.option(title(name, flag), option(flag));
  }
  const titles = (table: FlagTable) => Object.entries(table).map(([name, flag]) => title(name, flag));
  // yargs writes dashes before all but positionals.
  const groups: [string, string[]][] = [
    ['Positionals:', operands.map(([name]) => name.toUpperCase())],
    ['Flags:', titles(own)],
    ['Settings:', titles(settings)],
    ['For every command:', titles(globalFlags)],
  ];
  for (const [name, members] of groups) draw.group(members, name);
  const text = await draw.getHelp();
  return `${text.replace(/^Positionals:$/m, 'Arguments:')}\n`;
}

async function groupHelp({ path }: Place): Promise<string> {
  const inside = commands.filter(
    row => !row.hidden && path.every((word, i) => row.path.split(' ')[i] === word),
  );
  const about = path.length === 0 ? 'muster calls the roll of a compute cluster.' : undefined;
  const draw = blank(`Usage: ${['muster', ...path].join(' ')} COMMAND [flags]`, about);
  for (const row of inside) draw.command(row.path, row.help);
  draw.epilogue('"muster COMMAND --help" says what a command does and takes.');
  return `${await draw.getHelp()}\n`;
}

function blank(line: string, about = '') {
  return yargs([])
    .scriptName('')
    .usage(about ? `${line}\n\n${about}` : line)
    .help(false)
    .version(false)
    .detectLocale(false)
    .wrap(Math.min(widest, process.stderr.columns ?? process.stdout.columns ?? widest));
}

function title(name: string, { value }: Flag): string {
  return value === undefined ? name : `${name} ${value}`;
}

function option(flag: Flag): Options {
  const choices = flag.kind?.name.includes(',') ? `: ${flag.kind.name}` : '';
  const preset = flag.default === undefined ? '' : ` (default ${flag.default})`;
  return { describe: `${flag.help}${choices}${preset}`, ...(flag.short ? { alias: flag.short } : {}) };
}
