// The table of commands has one row for each command. The file of a command is loaded only when the command is needed.
import type { Shell } from './completion/scripts.ts';
import type { Command, CommandTable, Example } from './line/command.ts';

export const commands: CommandTable = [
  {
    path: 'agent',
    help: 'run the agent of a compute node',
    lasting: true,
    load: () => import('./commands/agent.ts'),
  },
  {
    path: 'agent join',
    help: 'give this machine a join code',
    load: () => import('./commands/agent/join.ts'),
  },
  {
    path: 'agent register',
    help: 'make the agent of this machine register again',
    load: () => import('./commands/agent/register.ts'),
  },
  {
    path: 'agent trust',
    help: 'trust another CA of the cluster, by its pin',
    load: () => import('./commands/agent/trust.ts'),
  },
  {
    path: 'agent reset-identity',
    help: 'make a copied agent a node of its own, with a new key',
    load: () => import('./commands/agent/reset-identity.ts'),
  },
  {
    path: 'agent rotate-key',
    help: 'exchange the key of this node for a new one',
    load: () => import('./commands/agent/rotate-key.ts'),
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
  {
    path: 'dev-broker',
    help: 'run the broker of a cluster with several requesters on this machine',
    hidden: true,
    lasting: true,
    load: () => import('./commands/dev-broker.ts'),
  },
  {
    path: 'probe',
    help: 'show the hardware and the system of this machine',
    load: () => import('./commands/probe/probe.ts'),
  },
  {
    path: 'ui',
    help: "open the requester's page in a browser, signed in",
    load: () => import('./commands/ui.ts'),
  },
  {
    path: 'status',
    help: 'show the roles that run on this machine',
    load: () => import('./commands/status.ts'),
  },
  {
    path: 'doctor',
    help: 'find what is wrong on this machine, and say what to do',
    load: () => import('./commands/doctor.ts'),
  },
  {
    path: 'doctor-checks',
    help: 'run the checks of doctor',
    hidden: true,
    load: () => import('./commands/doctor-checks.ts'),
  },
  {
    path: 'backup',
    help: 'back up the requester of this machine into one file',
    load: () => import('./commands/backup.ts'),
  },
  {
    path: 'restore',
    help: 'restore a requester from a backup',
    load: () => import('./commands/restore.ts'),
  },
  { path: 'node list', help: 'list the nodes on the roll', load: () => import('./commands/node/list.ts') },
  {
    path: 'node describe',
    help: 'show everything about a node',
    load: () => import('./commands/node/describe.ts'),
  },
  {
    path: 'node explain',
    help: 'say why a node is as it is, and what to do',
    load: () => import('./commands/node/explain.ts'),
  },
  { path: 'node approve', help: 'let a node take part', load: () => decision('approve') },
  { path: 'node reject', help: 'refuse a node; it stays on the roll', load: () => decision('reject') },
  { path: 'node delete', help: 'remove a node from the roll', load: () => decision('delete') },
  {
    path: 'node rekey',
    help: 'give a node the new key of its reinstalled machine',
    load: () => import('./commands/node/rekey.ts'),
  },
  {
    path: 'node rename',
    help: 'give a node another id; its agent takes it by itself',
    load: () => import('./commands/node/rename.ts'),
  },
  {
    path: 'node prune',
    help: 'forget the nodes that were not heard for a long time',
    load: () => import('./commands/node/prune.ts'),
  },
  {
    path: 'node undelete',
    help: 'bring back nodes that were deleted or forgotten',
    load: () => import('./commands/node/undelete.ts'),
  },
  {
    path: 'node cordon',
    help: 'keep new work away from nodes for a while',
    load: () => import('./commands/node/cordon.ts'),
  },
  {
    path: 'node drain',
    help: 'keep new work away, and await the end of its work',
    load: () => import('./commands/node/drain.ts'),
  },
  {
    path: 'node uncordon',
    help: 'let cordoned nodes have work again',
    load: () => import('./commands/node/uncordon.ts'),
  },
  {
    path: 'node label',
    help: 'set labels of nodes that no update of the node changes',
    load: () => import('./commands/node/label.ts'),
  },
  {
    path: 'node bans',
    help: 'list the keys that are refused for ever',
    load: () => import('./commands/node/bans.ts'),
  },
  {
    path: 'node unban',
    help: 'let a banned key in again',
    load: () => import('./commands/node/unban.ts'),
  },
  {
    path: 'join-code create',
    help: 'make a code with which new nodes join',
    load: () => import('./commands/join-code/create.ts'),
  },
  { path: 'join-code list', help: 'list the join codes', load: () => import('./commands/join-code/list.ts') },
  {
    path: 'join-code revoke',
    help: 'end a join code before its time',
    load: () => import('./commands/join-code/revoke.ts'),
  },
  { path: 'events', help: 'show what happened to the nodes', load: () => import('./commands/events.ts') },
  {
    path: 'explain',
    help: 'say what became of a change that got no answer',
    load: () => import('./commands/explain.ts'),
  },
  {
    path: 'listener create',
    help: 'let a program read the events of the nodes',
    load: () => import('./commands/listener/create.ts'),
  },
  {
    path: 'listener list',
    help: 'list the programs that may read events',
    load: () => import('./commands/listener/list.ts'),
  },
  {
    path: 'listener revoke',
    help: 'let a program read no more events',
    load: () => import('./commands/listener/revoke.ts'),
  },
  {
    path: 'operator create',
    help: "make an operator's token, which changes need",
    load: () => import('./commands/operator/create.ts'),
  },
  {
    path: 'operator list',
    help: 'list the operators who have a token',
    load: () => import('./commands/operator/list.ts'),
  },
  {
    path: 'operator revoke',
    help: "make an operator's token void",
    load: () => import('./commands/operator/revoke.ts'),
  },
  {
    path: 'broker config',
    help: 'print what a NATS of your own needs',
    load: () => import('./commands/broker/config.ts'),
  },
  {
    path: 'broker share-keys',
    help: 'write the keys that another requester needs',
    load: () => import('./commands/broker/share-keys.ts'),
  },
  {
    path: 'broker take-keys',
    help: 'take the keys of another requester',
    load: () => import('./commands/broker/take-keys.ts'),
  },
  {
    path: 'broker ca',
    help: 'show which CAs the nodes trust',
    load: () => import('./commands/broker/ca.ts'),
  },
  {
    path: 'broker rotate-ca',
    help: 'make the CA that follows the present one',
    load: () => import('./commands/broker/rotate-ca.ts'),
  },
  {
    path: 'broker forget-ca',
    help: 'let the nodes trust a CA no longer',
    load: () => import('./commands/broker/forget-ca.ts'),
  },
  {
    path: 'broker bacalhau',
    help: 'print the configuration of nodes of Bacalhau',
    load: () => import('./commands/broker/bacalhau.ts'),
  },
  {
    path: 'store rebuild',
    help: 'write again the records that the store lost',
    load: () => import('./commands/store/rebuild.ts'),
  },
  {
    path: 'store confirm',
    help: 'go on with an older store, such as a backup',
    load: () => import('./commands/store/confirm.ts'),
  },
  {
    path: 'store import',
    help: 'take over the nodes of a Bacalhau orchestrator',
    load: () => import('./commands/store/import.ts'),
  },
  {
    path: 'store raise',
    help: 'have three servers of a NATS cluster store the roll',
    load: () => import('./commands/store/raise.ts'),
  },
  {
    path: 'store lower',
    help: 'have one server of a NATS cluster store the roll',
    load: () => import('./commands/store/lower.ts'),
  },
  { path: 'config show', help: 'show the settings', load: () => import('./commands/config/show.ts') },
  {
    path: 'config check',
    help: 'find every fault in the settings',
    load: () => import('./commands/config/check.ts'),
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
    help: 'turn a configuration of Bacalhau into one of muster',
    load: () => import('./commands/config/migrate.ts'),
  },
  {
    path: 'service install',
    help: 'install a role as a service of this machine',
    load: () => import('./commands/service/install.ts'),
  },
  {
    path: 'service uninstall',
    help: 'stop a service and remove it',
    load: () => import('./commands/service/uninstall.ts'),
  },
  {
    path: 'service status',
    help: 'show the services and their state',
    load: () => import('./commands/service/status.ts'),
  },
  {
    path: 'service print',
    help: 'print the file that describes the service',
    load: () => import('./commands/service/print.ts'),
  },
  { path: 'completion bash', help: 'print the completion script for bash', load: () => completion('bash') },
  { path: 'completion zsh', help: 'print the completion script for zsh', load: () => completion('zsh') },
  { path: 'completion fish', help: 'print the completion script for fish', load: () => completion('fish') },
  {
    path: 'completion-words',
    help: 'print the words that may follow on a command line',
    hidden: true,
    load: async () => (await import('./commands/completion-words.ts')).completionWords(commands),
  },
  {
    path: 'inventory-child',
    help: 'take the inventory of this machine',
    hidden: true,
    load: () => import('./commands/inventory-child.ts'),
  },
  { path: 'version', help: 'show the version', load: () => import('./commands/version.ts') },
];

/** Examples for the help of each group of commands. The empty name means the group of all commands. */
export const groupExamples: Readonly<Record<string, readonly Example[]>> = {
  '': [
    ['muster dev', 'try it: run a whole cluster on this machine'],
    ['muster node list', 'in another terminal: list the nodes of that cluster'],
  ],
  node: [
    ['muster node list --filter-approval pending', 'list the nodes that wait for a decision'],
    ['muster node approve node-1', 'let one of them take part'],
  ],
  'join-code': [
    ['muster join-code create', 'make a code that lets one new node in, within an hour'],
    ['muster join-code list', 'see which codes there are, and how often they were used'],
  ],
  listener: [
    [
      'muster listener create billing -o json --save billing.json',
      'let a program read the events from now on',
    ],
    ['muster listener list', 'see which programs may, and how far behind each is'],
  ],
  operator: [
    ['muster operator create ada >ada.token', 'make a token for somebody'],
    ['muster operator list', 'list who has one'],
  ],
  broker: [
    ['muster broker config >muster.conf', 'print what a NATS of your own needs'],
    ['muster broker bacalhau --save config.yaml', 'write what a node of Bacalhau needs to come in'],
  ],
  store: [
    ['muster store rebuild --dry-run', 'list the records that the store lost'],
    ['muster store rebuild', 'write them again'],
  ],
  config: [
    ['muster config sample > muster.yaml', 'begin a configuration file'],
    ['muster config check muster.yaml', 'find the faults in it'],
  ],
  service: [
    ['sudo muster service install --role agent', 'run the agent whenever the machine runs'],
    ['muster service status', 'see whether it runs'],
  ],
  completion: [
    ['source <(muster completion bash)', 'complete words in this bash'],
    ['muster completion fish | source', 'complete words in this fish'],
  ],
};

async function decision(action: 'approve' | 'reject' | 'delete'): Promise<Command> {
  return (await import('./commands/node/decision.ts')).decision(action);
}

async function completion(shell: Shell): Promise<Command> {
  return (await import('./commands/completion.ts')).completion(shell);
}
