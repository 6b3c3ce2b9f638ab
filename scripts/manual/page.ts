// Writes the manual page muster(1) to standard output, from the same tables as the help. The same commit gives the same bytes.

import { commands, type Row } from '../../agent/cli/commands.ts';
import { type Command, type FlagTable, globalFlags } from '../../agent/cli/line/command.ts';
import { settingFlags } from '../../agent/cli/line/setting-flags.ts';
import { type SettingRow, settingsTable } from '../../agent/config/show.ts';
import type { ErrorCode, exitCodes } from '../../agent/system/errors.ts';
import { version } from '../../agent/system/version.ts';
import {
  bold,
  entry,
  example,
  italic,
  lineBreak,
  paragraph,
  plain,
  section,
  subsection,
  title,
} from './roff.ts';

/** The page, as roff with the man macros. */
export async function manPage(): Promise<string> {
  const shown = commands.filter(row => !row.hidden);
  return [
    title('muster', 1, `muster ${version}`, 'User Commands'),
    section('NAME', plain('muster - calls the roll of a compute cluster')),
    section('SYNOPSIS', `${bold('muster')} ${italic('COMMAND')} [${italic('flags')}]`),
    description(),
    section('COMMANDS'),
    ...(await Promise.all(shown.map(command))),
    subsection('Flags of every command'),
    ...flagEntries(globalFlags),
    settingsIntroduction(),
    ...settingsTable().map(setting),
    ...rest(),
  ].join('');
}

function description(): string {
  const agent = `${bold('muster agent')} runs on a compute node: it finds out what the machine is, registers it and keeps it current.`;
  const requester = `${bold('muster requester')} keeps the roll: it decides with the operator who takes part, knows who is alive, and tells other systems.`;
  const dev = `${bold('muster dev')} is both, and the broker between them, on one machine.`;
  return [
    section('DESCRIPTION', agent, requester, dev),
    paragraph(
      plain('They speak over NATS, in the protocol of Bacalhau: either joins the cluster of the other.'),
    ),
    paragraph(
      `${plain('The agent of a new node waits until an operator approves it with')} ${bold('muster node approve')}.`,
      plain('Results go to standard output, all else to standard error.'),
    ),
  ].join('');
}

async function command(row: Row): Promise<string> {
  const { operands = {}, optionalOperands = {}, flags = {}, settings }: Command = await row.load();
  const words = [
    ...Object.keys(operands).map(name => name.toUpperCase()),
    ...Object.keys(optionalOperands).map(name => `[${name.toUpperCase()}]`),
  ];
  return [
    subsection(['muster', row.path, ...words].join(' '), plain(sentence(row.help))),
    ...Object.entries({ ...operands, ...optionalOperands }).map(([name, help]) =>
      entry(italic(name.toUpperCase()), plain(help)),
    ),
    ...flagEntries(flags),
    paragraph(takes(settings)),
  ].join('');
}

function flagEntries(flags: FlagTable): string[] {
  return Object.entries(flags).map(([name, flag]) => {
    const value = flag.value === undefined ? '' : ` ${italic(flag.value)}`;
    const short = flag.short === undefined ? '' : `${bold(`-${flag.short}`)}, `;
    const choices = flag.kind?.choices ? `: ${flag.kind.choices.join(', ')}` : '';
    const preset = flag.default === undefined ? '' : ` (default ${flag.default})`;
    return entry(`${short}${bold(`--${name}`)}${value}`, plain(`${flag.help}${choices}${preset}`));
  });
}

/** Which settings a command takes as flags. */
function takes(settings: Command['settings']): string {
  if (settings === undefined) return plain('It reads no settings.');
  if (settings === 'all') return plain('It takes every setting as a flag.');
  if (typeof settings === 'string') return plain(`It takes every setting of the ${settings} as a flag.`);
  const names = Object.keys(settingFlags(settings)).map(name => bold(`--${name}`));
  return `${plain('Of the settings it takes')} ${names.join(', ')}.`;
}

function settingsIntroduction(): string {
  return [
    section(
      'SETTINGS',
      plain('A flag goes before the environment, that before the file, that before the default.'),
      plain('Durations are written 15s, 1m30s, 500ms; sizes 8GB, 8GiB; lists with commas; maps k=v,k2=v2.'),
      plain('In the file, the keys below are nested, and their case does not matter.'),
    ),
    paragraph(
      `${plain('Secrets are taken from the environment, the file, or')} ${bold('$CREDENTIALS_DIRECTORY')}, ${plain('never from the command line.')}`,
      `${bold('muster config check')} ${plain('reports every fault, with file and line.')}`,
    ),
  ].join('');
}

function setting(row: SettingRow): string {
  const readers = { agent: 'the agent', requester: 'the requester', both: 'both roles' };
  const facts = [
    `type: ${row.type}`,
    `read by ${readers[row.roles]}`,
    row.default === '' ? undefined : `default ${row.default}`,
    row.reload ? 'taken up on SIGHUP' : undefined,
  ];
  const flag = row.flag === undefined ? [] : [lineBreak, bold(row.flag)];
  return entry(
    bold(row.key),
    plain(row.help),
    lineBreak,
    plain(facts.filter(Boolean).join('; ')),
    ...flag,
    lineBreak,
    bold(row.environment),
  );
}

/** What each exit code stands for; the type sees to it that none is left out. */
export const exitTexts: Readonly<Record<0 | 2 | (typeof exitCodes)[ErrorCode], string>> = {
  0: 'Done.',
  1: 'Refused or failed; standard error says why.',
  2: 'muster probe: something that should answer does not.',
  64: 'Wrong usage.',
  69: 'The requester or the broker cannot be reached.',
  77: 'Not allowed.',
  78: 'The configuration is wrong.',
};

const files: readonly [name: string, text: string][] = [
  [
    '/etc/muster/config.yaml',
    'The configuration, unless --config or $CONFIGURATION_DIRECTORY names another.',
  ],
  ['~/.config/muster/config.yaml', 'That of a user, where there is none of the machine.'],
  [
    '/var/lib/muster',
    'All state of a role that runs as root, unless dataDir or $STATE_DIRECTORY names another folder. The folders below are in it.',
  ],
  ['agent/identity.nk', 'The key of the node. Who has it is the node; without it, the node is another one.'],
  ['agent/node.yaml', 'Its id.'],
  [
    'agent/ID.registration.json',
    'The sentinel, which says that the node is registered. It may be removed: it is made anew.',
  ],
  ['agent/inventory.json, agent/gpus.json', 'What the machine was at the last look.'],
  ['requester/node.yaml', 'The id of the requester.'],
  ['broker/token', 'The token that every node has to show to the broker of the requester.'],
  ['broker/store', 'The roll and the events.'],
  [
    '/etc/systemd/system/muster-agent.service, /etc/systemd/system/muster-requester.service',
    'What muster service install writes, under systemd.',
  ],
];

const variables: readonly [name: string, text: string][] = [
  [
    'MUSTER_*',
    'The settings, each under the name that stands with it. Any other MUSTER_ variable is an error.',
  ],
  [
    'CONFIGURATION_DIRECTORY, STATE_DIRECTORY, RUNTIME_DIRECTORY, CACHE_DIRECTORY, CREDENTIALS_DIRECTORY',
    'The folders that a service manager names.',
  ],
  ['PATH', 'Where nats-server is looked for, unless broker.binary names it.'],
  ['NO_COLOR', 'No colour, on a terminal either.'],
];

const signals: readonly [name: string, text: string][] = [
  [
    'SIGTERM, SIGINT',
    'The role stops in order: an agent says that it leaves. It takes at most 5 s; a second signal ends it at once.',
  ],
  [
    'SIGHUP',
    'The settings are read again, and those take effect that may; a wrong configuration changes nothing. A deleted node registers anew.',
  ],
];

function rest(): string[] {
  const listed = (name: string, rows: readonly (readonly [string, string])[]) => [
    section(name),
    ...rows.map(([term, text]) => entry(bold(term), plain(text))),
  ];
  return [
    ...listed('ENVIRONMENT', variables),
    ...listed('FILES', files),
    ...listed('EXIT STATUS', Object.entries(exitTexts)),
    ...listed('SIGNALS', signals),
    section('EXAMPLES', plain('A cluster on this machine, and the decision about its first node:')),
    example('muster dev', 'muster node list', 'muster node approve node-1', 'muster events --follow'),
    paragraph(plain('A requester that other machines reach, and the agent on one of them:')),
    example(
      'muster requester --broker-host 0.0.0.0',
      'muster agent --nats-servers nats://requester.example:4222 --nats-token-file /etc/muster/token',
    ),
    section('SEE ALSO', `${bold('nats-server')}(8), ${bold('systemctl')}(1)`),
  ];
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

if (import.meta.main) process.stdout.write(await manPage());
