// Writes the manual page muster(1), from the same tables as the help. The same commit gives the same bytes.

import { commands } from '../../agent/cli/commands.ts';
import {
  type Command,
  type CommandRow,
  type FlagTable,
  globalFlags,
  shownOperands,
} from '../../agent/cli/line/command.ts';
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

/** Returns the page, as roff with the man macros. */
export async function manPage(): Promise<string> {
  const shown = commands.filter(row => !row.hidden);
  return [
    title('muster', 1, `muster ${version}`, 'User Commands'),
    section('NAME', plain('muster - keeps the roll of a compute cluster')),
    section('SYNOPSIS', `${bold('muster')} ${italic('COMMAND')} [${italic('flags')}]`),
    description(),
    section('COMMANDS'),
    ...(await Promise.all(shown.map(commandEntry))),
    subsection('Flags of every command'),
    ...flagEntries(globalFlags),
    settingsIntroduction(),
    ...settingsTable().map(setting),
    ...rest(),
  ].join('');
}

function description(): string {
  const agent = `${bold('muster agent')} runs on a compute node: it finds out what the machine is, registers it and keeps it current.`;
  const requester = `${bold('muster requester')} keeps the records of all nodes: it knows which nodes the operator approved and which are healthy, and announces events to other systems.`;
  const dev = `${bold('muster dev')} is both, and the broker between them, on one machine.`;
  return [
    section('DESCRIPTION', agent, requester, dev),
    paragraph(
      plain(
        'They communicate over NATS, in the protocol of Bacalhau, so each also works with a Bacalhau peer.',
      ),
    ),
    paragraph(
      `${plain('The agent of a new node waits until an operator approves it with')} ${bold('muster node approve')}.`,
      plain('Results go to standard output, everything else to standard error.'),
    ),
  ].join('');
}

async function commandEntry(row: CommandRow): Promise<string> {
  const command = await row.load();
  const { flags = {}, settings } = command;
  const operands = shownOperands(command);
  return [
    subsection(
      ['muster', row.path, ...operands.map(({ usage }) => usage)].join(' '),
      plain(sentence(row.help)),
    ),
    ...operands.map(({ name, help }) => entry(italic(name), plain(help))),
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

/** Returns a sentence about the settings that a command takes as flags. */
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
      plain('A flag overrides the environment, which overrides the file, which overrides the default.'),
      plain('Durations are written 15s, 1m30s, 500ms; sizes 8GB, 8GiB; lists with commas; maps k=v,k2=v2.'),
      plain('In the file, the keys below are nested. Upper and lower case are the same.'),
    ),
    paragraph(
      `${plain('Secrets are read from the environment, the file, or')} ${bold('$CREDENTIALS_DIRECTORY')}, ${plain('never from the command line.')}`,
      `${bold('muster config check')} ${plain('reports every fault, with file and line.')}`,
    ),
  ].join('');
}

function setting(row: SettingRow): string {
  const readers = {
    agent: 'the agent',
    requester: 'the requester',
    both: 'both roles',
    commands: 'the commands',
  };
  const facts = [
    `type: ${row.type}`,
    `read by ${readers[row.roles]}`,
    row.default === '' ? undefined : `default ${row.default}`,
    row.reload ? 'can change on SIGHUP' : undefined,
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

/** The meaning of each exit code. The type makes sure that none is missing. */
export const exitTexts: Readonly<Record<0 | 2 | (typeof exitCodes)[ErrorCode], string>> = {
  0: 'Done.',
  1: 'The request was refused or has failed; standard error says why.',
  2: 'muster probe: a source of facts that should answer does not.',
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
  ['~/.config/muster/config.yaml', 'The configuration of a user, when the machine has none.'],
  [
    '/var/lib/muster',
    'The state of a role that runs as root, unless dataDir or $STATE_DIRECTORY names another folder. The files below are in it.',
  ],
  [
    'agent/identity.nk',
    'The key of the node. Whoever has it can act as this node. Without it, the machine is a new node.',
  ],
  ['agent/node.yaml', 'The id of the node.'],
  [
    'agent/ID.registration.json',
    'The sentinel, which says that the node is registered. It may be removed; the agent then registers again.',
  ],
  [
    'agent/inventory.json, agent/gpus.json',
    'The facts about the machine and its GPUs when they were last read.',
  ],
  ['requester/node.yaml', 'The id of the requester.'],
  ['broker/token', 'The token that every node needs to connect to the broker of the requester.'],
  ['broker/store', 'The records of the nodes and the events.'],
  [
    '/etc/systemd/system/muster-agent.service, /etc/systemd/system/muster-requester.service',
    'The units that muster service install writes, under systemd.',
  ],
];

const variables: readonly [name: string, text: string][] = [
  ['MUSTER_*', 'The settings, with the names above. Any other MUSTER_ variable is an error.'],
  [
    'CONFIGURATION_DIRECTORY, STATE_DIRECTORY, RUNTIME_DIRECTORY, CACHE_DIRECTORY, CREDENTIALS_DIRECTORY',
    'The folders that a service manager gives to a role.',
  ],
  ['PATH', 'The folders in which nats-server is searched, unless broker.binary names it.'],
  ['NO_COLOR', 'If it is set, the output has no colour, also on a terminal.'],
];

const signals: readonly [name: string, text: string][] = [
  [
    'SIGTERM, SIGINT',
    'The role stops cleanly, and an agent tells the requester that it leaves. This takes at most 5 s. A second signal ends the role at once.',
  ],
  [
    'SIGHUP',
    'The settings are read again, and those that can change while the role runs take effect. A wrong configuration changes nothing. A deleted node registers again.',
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
    section('EXAMPLES', plain('Run a cluster on this machine, and approve its first node:')),
    example('muster dev', 'muster node list', 'muster node approve node-1', 'muster events --follow'),
    paragraph(plain('Run a requester that other machines can reach, and an agent on one of them:')),
    example(
      'muster requester --broker-host 0.0.0.0',
      'muster agent --nats-servers nats://requester.example:4222 --nats-token-file /etc/muster/token',
    ),
    section('SEE ALSO', `${bold('nats-server')}(8), ${bold('systemctl')}(1)`),
  ];
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

if (import.meta.main) process.stdout.write(await manPage());
