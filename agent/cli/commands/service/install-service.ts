// Installs a service: reads what is there, plans the steps, carries them out, and says what to do next.
import { access } from 'node:fs/promises';
import { loadSettings } from '../../../config/load.ts';
import type { Role } from '../../../config/role.ts';
import { packagedSchema, sampleConfig } from '../../../config/sample.ts';
import type { JoinCode } from '../../../protocol/join-code.ts';
import { giveCode } from '../../../roles/give-code.ts';
import { checkExecutable } from '../../../service/executable.ts';
import { inspect } from '../../../service/inspect.ts';
import type { Plan } from '../../../service/plan.ts';
import { planInstall } from '../../../service/plan-install.ts';
import { createServiceFiles, gpuGroups } from '../../../service/service-files.ts';
import type { ServicePaths } from '../../../service/service-paths.ts';
import { type ServiceTarget, userName } from '../../../service/target.ts';
import { escapeText } from '../../../system/escape.ts';
import { checkServiceConfig } from './check-service-config.ts';
import { carryOut, type Output } from './show-plan.ts';

export interface InstallOptions {
  role: Role;
  executable: string;
  start: boolean;
  force: boolean;
  /** Whether to show what would be done, and change nothing. */
  dryRun: boolean;
  /** The join code of the node; undefined when none is given. */
  code?: { line: string; code: JoinCode } | undefined;
}

/**
 * Installs the service. Files and states that are already right do not change. Throws MusterError when this installation
 * is refused, or a step fails.
 */
export async function installService(
  target: ServiceTarget,
  options: InstallOptions,
  { print, warn }: Output,
): Promise<void> {
  const { role, executable, dryRun, code: given } = options;
  const { root, prefix, scope } = target;
  const paths = target.paths(role);
  const doubts = await checkExecutable(executable, scope, prefix);
  const [inspection, groups] = await Promise.all([inspect(target, role), gpuGroups(prefix)]);
  const files = await createServiceFiles({ ...target, role, executable, groups }, paths);
  for (const doubt of doubts) warn(escapeText(doubt));
  const configIsValid = root !== undefined || (await checkServiceConfig(target, role, inspection, warn));
  const config = { path: paths.config, content: await firstConfig(prefix) };
  const code = paths.joinCode && given ? { path: paths.joinCode, content: `${given.line}\n` } : undefined;
  const parameters = { ...target, ...files, ...options, config, configIsValid, code };
  const plan = planInstall(parameters, paths, inspection);
  for (const warning of plan.warnings) warn(escapeText(warning));
  // Without secrets of the service manager, the code goes where the role itself keeps it.
  if (given && !code && !dryRun) await storeForService(target, paths, given);
  await carryOut(plan, target, { name: paths.name, dryRun, print });
  for (const note of plan.notes) print(`${escapeText(note)}\n`);
  print(await outcomeText(target, options, paths, plan));
}

/** Gives the code to the agent of a service that gets no secrets from its manager. It runs as the user of this process. */
async function storeForService(
  { prefix }: ServiceTarget,
  { config, dataFolder }: ServicePaths,
  given: NonNullable<InstallOptions['code']>,
): Promise<void> {
  const file = prefix + config;
  const settings = (await exists(file))
    ? (await loadSettings({ configFile: file, skipUnreadable: true, role: 'agent' })).settings
    : undefined;
  const data = settings?.dataDir ?? prefix + dataFolder;
  await giveCode([data], data, { ...given, move: false });
}

/** Returns a configuration to start from. Both roles read the same file. */
async function firstConfig(prefix: string): Promise<string> {
  const text = sampleConfig('both');
  // Editors complain about a schema that does not exist, so the line that names it is removed.
  return (await exists(prefix + packagedSchema)) ? text : text.replace(/^# yaml-language-server.*\n/, '');
}

/** Returns what was done, and what the operator can do next. */
async function outcomeText(
  target: ServiceTarget,
  { role, start, dryRun, code }: InstallOptions,
  paths: ServicePaths,
  { steps }: Plan,
): Promise<string> {
  if (dryRun) return steps.length > 0 ? 'Nothing was changed: --dry-run.\n' : 'Nothing would be changed.\n';
  if (steps.length === 0) return `Nothing to do: ${paths.name} is as it should be.\n`;
  if (target.root !== undefined) return '';
  const user = target.scope === 'user' ? ' --user' : '';
  // The unit of a package is not written by this command. It is enabled when it is used for the first time.
  const isNew = steps.some(
    step =>
      (step.action === 'write' && step.path === paths.unit && !step.replaces) ||
      (step.action === 'run' && step.args.includes('enable')),
  );
  const lines = [
    ...(start && role === 'agent' && isNew && !code ? joinLines(target, paths) : []),
    start
      ? `To see its state: muster service status${user} --role ${role}`
      : 'It is installed but not started. The same command without --no-start starts it.',
    ...(await lingerLines(target)),
    ...(await rotationLines(paths)),
  ];
  return `\n${lines.map(line => `${escapeText(line)}\n`).join('')}`;
}

function joinLines({ scope }: ServiceTarget, { config }: ServicePaths): string[] {
  const command = scope === 'system' ? 'sudo muster service install' : 'muster service install --user';
  return [
    'To bring the node into the cluster of a requester on another machine:',
    `  ${command} --role agent --join`,
    `To connect it to a NATS of your own, set nats.servers in ${config}.`,
  ];
}

async function lingerLines({ manager, scope }: ServiceTarget): Promise<string[]> {
  if (manager !== 'systemd' || scope !== 'user' || (await exists(`/var/lib/systemd/linger/${userName()}`)))
    return [];
  return [`It stops when you log out, unless root runs: loginctl enable-linger ${userName()}`];
}

async function rotationLines({ log, rotation }: ServicePaths): Promise<string[]> {
  if (!log || rotation) return [];
  const { newsyslogLine } = await import('../../../service/launchd.ts');
  return [
    'Its log grows without a limit, until root adds this line to /etc/newsyslog.d/muster.conf:',
    `  ${newsyslogLine(log, `${userName()}:staff`).trimEnd()}`,
  ];
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
