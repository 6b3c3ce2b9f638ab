// Writes the generated parts of the pages, between their marks: settings, commands, exit codes, and the arrows of imports.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { commands } from '../agent/cli/commands.ts';
import { type CommandRow, type Flag, shownOperands } from '../agent/cli/line/command.ts';
import { settingsTable } from '../agent/config/show.ts';
import { bacalhauReleases } from '../agent/protocol/bacalhau-releases.ts';
import { floors } from './arrows/rules.ts';
import { exitTexts } from './manual/page.ts';

const checkout = new URL('../', import.meta.url);

/** Every page of the project, as a path from the checkout. */
export const pages: readonly string[] = [
  ...readdirSync(checkout).filter(name => name.endsWith('.md')),
  ...readdirSync(new URL('docs/', checkout))
    .filter(name => name.endsWith('.md'))
    .map(name => `docs/${name}`),
];

export const pagePath = (page: string): string => fileURLToPath(new URL(page, checkout));

/** The functions that write the text between `<!-- NAME -->` and `<!-- /NAME -->`, by NAME. */
const generators: Readonly<Record<string, () => string | Promise<string>>> = {
  settings: settingsMarkdown,
  commands: commandsMarkdown,
  'exit codes': exitCodesMarkdown,
  arrows: arrowsMarkdown,
  'bacalhau releases': bacalhauMarkdown,
};

/** Returns `text` with the generated parts as the program has them now. */
export async function withGeneratedParts(text: string): Promise<string> {
  let result = text;
  for (const [name, generate] of Object.entries(generators)) {
    const part = new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(<!-- /${name} -->)`);
    const generated = await generate();
    result = result.replace(part, (_, begin, end) => `${begin}${generated}${end}`);
  }
  return result;
}

function settingsMarkdown(): string {
  const rows = settingsTable().map(row => {
    const value = row.default === '' ? '' : code(row.default);
    return [code(row.key), row.type, value, code(row.environment), row.reload ? 'yes' : '', row.help];
  });
  return table(['setting', 'type', 'default', 'environment', 'reload', 'what it is'], rows);
}

async function commandsMarkdown(): Promise<string> {
  const shown = commands.filter(row => !row.hidden);
  return table(['command', 'what it does', 'its own flags'], await Promise.all(shown.map(commandRow)));
}

async function commandRow(row: CommandRow): Promise<string[]> {
  const command = await row.load();
  const { flags = {} } = command;
  const words = shownOperands(command).map(({ usage }) => usage);
  const own = Object.entries(flags).map(([name, flag]) => code(flagText(name, flag)));
  return [code(['muster', row.path, ...words].join(' ')), row.help, own.join(' ')];
}

function flagText(name: string, { short, value }: Flag): string {
  const names = short === undefined ? `--${name}` : `-${short}, --${name}`;
  return value === undefined ? names : `${names} ${value}`;
}

function exitCodesMarkdown(): string {
  return table(['code', 'meaning'], Object.entries(exitTexts));
}

function arrowsMarkdown(): string {
  return `\`\`\`text\n${floors.map(floor => floor.join(' | ')).join(' → ')}\n\`\`\`\n`;
}

function bacalhauMarkdown(): string {
  const rows = Object.entries(bacalhauReleases).map(
    ([name, { versions, configuration, heartbeatTopics, speaksNewerProtocol }]) => [
      versions,
      speaksNewerProtocol ? `${code('bprotocol/v2')} and ${code('ncl/v1')}` : code('bprotocol/v2'),
      heartbeatTopics.map(code).join(' and '),
      code(`muster broker bacalhau${configuration === 'older' ? ` --release ${name}` : ''}`),
    ],
  );
  const titles = [
    'Bacalhau',
    'what it speaks',
    'subject of its heartbeats',
    'configuration of its nodes here',
  ];
  return table(titles, rows);
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [titles, titles.map(() => '---'), ...rows];
  return `${lines.map(cells => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`).join('\n')}\n`;
}

const code = (text: string): string => `\`${text}\``;

if (import.meta.main) {
  for (const page of pages) {
    const text = readFileSync(pagePath(page), 'utf8');
    const updated = await withGeneratedParts(text);
    if (updated !== text) writeFileSync(pagePath(page), updated);
  }
}
