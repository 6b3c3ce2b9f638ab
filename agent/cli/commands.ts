// Every command, a line each. Its file is loaded when it is asked for, and not before.
import type { Command } from './line/command.ts';

export interface Row {
  /** The words that name it. */
  readonly path: string;
  /** What it does, in one line. */
  readonly help: string;
  /** For the program's own use: not in the help. */
  readonly hidden?: true;
  /** It runs until it is told to stop, and does so in its own way. */
  readonly lasting?: true;
  load(): Promise<Command>;
}

export const commands: readonly Row[] = [
  {
    path: 'agent',
    help: 'run the agent of a compute node',
    lasting: true,
    load: () => import('./commands/agent.ts'),
  },
  {
    path: 'agent register',
    help: 'register the agent of this machine by hand',
    load: () => import('./commands/agent-register.ts'),
  },
  {
    path: 'requester',
    help: 'run the requester that keeps the roll',
    lasting: true,
    load: () => import('./commands/requester.ts'),
  },
  {
    path: 'dev',
    help: 'run a whole cluster on this machine',
    lasting: true,
    load: () => import('./commands/dev.ts'),
  },
  { path: 'probe', help: 'show what this machine is', load: () => import('./commands/probe/probe.ts') },
  { path: 'status', help: 'show what runs on this machine', load: () => import('./commands/status.ts') },
  {
    path: 'doctor',
    help: 'look for what is wrong on this machine, and say what to do',
    load: () => import('./commands/doctor.ts'),
  },
  {
    path: 'doctor-checks',
    help: 'look at everything, for doctor',
    hidden: true,
    load: () => import('./commands/doctor-checks.ts'),
  },
  { path: 'node list', help: 'list the nodes on the roll', load: () => import('./commands/node/list.ts') },
  {
    path: 'node describe',
    help: 'show all that is known of a node',
    load: () => import('./commands/node/describe.ts'),
  },
  { path: 'node approve', help: 'let a node take part', load: () => decision('approve') },
  { path: 'node reject', help: 'refuse a node; it stays on the roll', load: () => decision('reject') },
  { path: 'node delete', help: 'take a node off the roll', load: () => decision('delete') },
  { path: 'events', help: 'show what happened to the nodes', load: () => import('./commands/events.ts') },
  { path: 'config show', help: 'show the settings', load: () => import('./commands/config/show.ts') },
  {
    path: 'config check',
    help: 'find every fault in the settings',
    load: () => import('./commands/config/check.ts'),
  },
  {
    path: 'service install',
    help: 'make a role a service of this machine',
    load: () => import('./commands/service/install.ts'),
  },
  {
    path: 'service uninstall',
    help: 'stop a service and remove it',
    load: () => import('./commands/service/uninstall.ts'),
  },
  {
    path: 'service status',
    help: 'show the services and how they do',
    load: () => import('./commands/service/status.ts'),
  },
  {
    path: 'service print',
    help: 'print the unit that an installation would write',
    load: () => import('./commands/service/print.ts'),
  },
  {
    path: 'config sample',
    help: 'print a configuration file to start from',
    load: () => import('./commands/config/sample.ts'),
  },
  {
    path: 'config schema',
    help: 'print the JSON Schema of the configuration file',
    load: () => import('./commands/config/schema.ts'),
  },
  {
    path: 'config migrate',
    help: 'make a configuration out of one of Bacalhau',
    load: () => import('./commands/config/migrate.ts'),
  },
  {
    path: 'completion bash',
    help: 'print what makes bash complete the words of muster',
    load: () => completion('bash'),
  },
  {
    path: 'completion zsh',
    help: 'print what makes zsh complete the words of muster',
    load: () => completion('zsh'),
  },
  {
    path: 'completion fish',
    help: 'print what makes fish complete the words of muster',
    load: () => completion('fish'),
  },
  {
    path: 'completion-words',
    help: 'print what may stand next on a command line',
    hidden: true,
    load: () => import('./completion/words.ts'),
  },
  {
    path: 'inventory-child',
    help: 'take the inventory of this machine',
    hidden: true,
    load: () => import('./commands/inventory-child.ts'),
  },
  { path: 'version', help: 'show the version', load: () => import('./commands/version.ts') },
];

async function decision(action: 'approve' | 'reject' | 'delete'): Promise<Command> {
  return (await import('./commands/node/decision.ts')).decision(action);
}

async function completion(shell: 'bash' | 'zsh' | 'fish'): Promise<Command> {
  return (await import('./completion/completion.ts')).completion(shell);
}
