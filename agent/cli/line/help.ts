// Writes the text that `--help` prints. The package yargs formats the columns.
import yargs, { type Options } from 'yargs';
import { standardOutput } from '../../output/standard-output.ts';
import {
  type Command,
  type CommandTable,
  type Example,
  type Flag,
  type FlagTable,
  globalFlags,
  shownOperands,
} from './command.ts';
import type { Place } from './place.ts';
import { settingFlags } from './setting-flags.ts';

/** The texts that the help can show. */
export interface HelpTexts {
  readonly commands: CommandTable;
  /** Examples of each group of commands, by the words of the group. The empty name means the group of all commands. */
  readonly groupExamples: Readonly<Record<string, readonly Example[]>>;
}

/** Width of the text, in columns, when the terminal is wider or there is no terminal. */
const widest = 80;

/** Returns the help of a command, or of a group of commands. */
export async function help(place: Place, texts: HelpTexts): Promise<string> {
  return place.row ? commandHelp(place, await place.row.load()) : groupHelp(place, texts);
}

async function commandHelp({ path, row }: Place, command: Command): Promise<string> {
  const own = command.flags ?? {};
  const settings = Object.fromEntries(
    Object.entries(settingFlags(command.settings)).filter(([, flag]) => !flag.refused),
  );
  const operands = shownOperands(command);
  const layout = emptyLayout(usageLine(path, command), row?.help);
  for (const operand of operands) layout.option(operand.name, { describe: operand.help });
  for (const [name, flag] of Object.entries({ ...own, ...settings, ...globalFlags })) {
    layout.option(title(name, flag), option(flag));
  }
  const titles = (table: FlagTable) => Object.entries(table).map(([name, flag]) => title(name, flag));
  // yargs writes names without dashes only in a group with the name "Positionals".
  const groups: [string, string[]][] = [
    ['Positionals:', operands.map(({ name }) => name)],
    ['Flags:', titles(own)],
    ['Settings:', titles(settings)],
    ['For every command:', titles(globalFlags)],
  ];
  for (const [name, members] of groups) layout.group(members, name);
  const text = (await layout.getHelp()).replace(/^Positionals:$/m, 'Arguments:');
  return `${text}\n${examplesText(command.examples)}`;
}

async function groupHelp({ path }: Place, { commands, groupExamples }: HelpTexts): Promise<string> {
  const members = commands.filter(
    row => !row.hidden && path.every((word, index) => row.path.split(' ')[index] === word),
  );
  const about =
    path.length === 0 ? 'muster keeps the roll of a compute cluster: the list of its nodes.' : undefined;
  const layout = emptyLayout(`Usage: ${['muster', ...path].join(' ')} COMMAND [flags]`, about);
  for (const row of members) layout.command(row.path, row.help);
  const examples = examplesText(groupExamples[path.join(' ')]);
  return `${await layout.getHelp()}\n${examples}\n"muster COMMAND --help" shows the flags of a command.\n`;
}

function usageLine(path: readonly string[], command: Command): string {
  const operands = shownOperands(command).map(({ usage }) => usage);
  return `Usage: ${['muster', ...path, ...operands, '[flags]'].join(' ')}`;
}

function examplesText(examples: readonly Example[] | undefined): string {
  if (!examples) return '';
  const lines = examples.map(([line, about]) => `  # ${about}\n  ${line}\n`);
  return `\nExamples:\n${lines.join('\n')}`;
}

function emptyLayout(line: string, about = '') {
  return yargs([])
    .scriptName('')
    .usage(about ? `${line}\n\n${about}` : line)
    .help(false)
    .version(false)
    .detectLocale(false)
    .wrap(Math.min(widest, process.stderr.columns ?? standardOutput().columns ?? widest));
}

function title(name: string, { value }: Flag): string {
  return value === undefined ? name : `${name} ${value}`;
}

function option(flag: Flag): Options {
  const choices = flag.kind?.name.includes(',') ? `: ${flag.kind.name}` : '';
  const preset = flag.default === undefined ? '' : ` (default ${flag.default})`;
  return { describe: `${flag.help}${choices}${preset}`, ...(flag.short ? { alias: flag.short } : {}) };
}
