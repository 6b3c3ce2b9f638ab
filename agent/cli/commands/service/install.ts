// `muster service install`: makes a role a service of this machine, or of this user. What is as it should be is left alone.
import { access, readdir, readFile, stat } from 'node:fs/promises';
import { loadSettings } from '../../../config/load.ts';
import type { Role } from '../../../config/role.ts';
import { packagedSchema, sampleConfig } from '../../../config/sample.ts';
import { ownExecutable } from '../../../roles/own-command.ts';
import { checkExecutable } from '../../../service/executable.ts';
import { inspect } from '../../../service/inspect.ts';
import type { Inspection, Plan } from '../../../service/plan.ts';
import { planInstall } from '../../../service/plan-install.ts';
import { whyNotWritable, widensSandbox } from '../../../service/sandbox.ts';
import { createServiceFiles, gpuGroups } from '../../../service/service-files.ts';
import type { ServicePaths } from '../../../service/service-paths.ts';
import { requireRoot, resolveTarget, type ServiceTarget, userName } from '../../../service/target.ts';
import { MusterError } from '../../../system/errors.ts';
import { escapeText } from '../../../system/escape.ts';
import { printable } from '../../../system/printable.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { changeFlags, needed, take, terminal, typed, type Voice } from './flags.ts';

export const flags = {
  ...changeFlags,
  executable: { value: 'PATH', help: 'the program that the service starts; without it, this very program' },
  'no-start': { help: 'only install it: it starts neither now nor at boot' },
  force: { help: 'replace a unit that was changed by hand, and restart what may not start again' },
} as const satisfies FlagTable;

export const examples: readonly Example[] = [
  ['sudo muster service install --role agent', 'run the agent whenever the machine runs'],
  ['muster service install --role agent --user --dry-run', 'only show what would be done, for this user'],
];

export async function run({ flags: given, config }: Argv<typeof flags>): Promise<number> {
  const role = needed(given.role, 'install');
  if (config !== undefined) {
    throw new MusterError('usage', 'a service reads the configuration in its usual place, not --config', {
      hint: 'put the file there: "muster service install --dry-run" says where',
    });
  }
  const target = await resolveTarget({ scope: given.user ? 'user' : 'system', root: given.root });
  if (!given['dry-run']) requireRoot(target, typed('install', { ...given, role }));
  return installService(
    target,
    {
      role,
      executable: given.executable ?? ownExecutable(),
      start: !given['no-start'],
      force: given.force,
      dryRun: given['dry-run'],
    },
    terminal,
  );
}

export interface InstallOptions {
  role: Role;
  executable: string;
  start: boolean;
  force: boolean;
  /** Print what would be done, and do nothing. */
  dryRun: boolean;
}

/** Throws MusterError when it cannot be installed so, or a step fails. */
export async function installService(
  target: ServiceTarget,
  options: InstallOptions,
  { print, warn }: Voice,
): Promise<number> {
  const { role, executable, dryRun } = options;
  const { root, prefix, scope } = target;
  const paths = target.paths(role);
  const doubts = await checkExecutable(executable, scope, prefix);
  const [inspection, groups] = await Promise.all([inspect(target, role), gpuGroups(prefix)]);
  const files = await createServiceFiles({ ...target, role, executable, groups }, paths);
  for (const doubt of doubts) warn(escapeText(doubt));
  const configIsValid = root !== undefined || (await checkConfig(target, role, inspection, warn));
  const config = { path: paths.config, content: await sample(prefix) };
  const plan = planInstall({ ...target, ...files, ...options, config, configIsValid }, paths, inspection);
  for (const warning of plan.warnings) warn(escapeText(warning));
  await take(plan, target, { name: paths.name, dryRun, print });
  for (const note of plan.notes) print(`${escapeText(note)}\n`);
  print(await afterwards(target, options, paths, plan));
  return 0;
}

/** A configuration to start from. Both roles read one file. */
async function sample(prefix: string): Promise<string> {
  const text = sampleConfig('both');
  const there = await access(prefix + packagedSchema).then(
    () => true,
    () => false,
  );
  // An editor would complain of a schema that is not there.
  return there ? text : text.replace(/^# yaml-language-server.*\n/, '');
}

/** Tells of faults in the configuration that is there, and answers whether the service would start with it. */
async function checkConfig(
  { manager, scope, prefix, paths }: ServiceTarget,
  role: Role,
  inspection: Inspection,
  warn: (text: string) => void,
): Promise<boolean> {
  const { config: path, unit, dropIns } = paths(role);
  if (inspection.files.get(path)?.kind !== 'text') return true;
  const sandboxed = manager === 'systemd' && scope === 'system';
  const { mode, gid } = await stat(prefix + path);
  // The user of the service is in none of root's groups.
  const closed = (mode & 0o004) === 0 && ((mode & 0o040) === 0 || gid === 0);
  if (sandboxed && closed) {
    const octal = (mode & 0o7777).toString(8).padStart(4, '0');
    warn(
      escapeText(
        `${path} is not for every user to read (mode ${octal}), and the service runs as the user muster: chmod 644 it, and keep secrets in /etc/credstore`,
      ),
    );
  }
  try {
    const { settings } = await loadSettings({ configFile: prefix + path });
    const closed = sandboxed && settings.dataDir && whyNotWritable(role, settings.dataDir);
    if (closed && !(await opened(prefix + unit, dropIns && prefix + dropIns))) warn(escapeText(closed));
    return true;
  } catch (error) {
    if (!(error instanceof MusterError)) throw error;
    for (const line of error.message.split('\n')) warn(printable(line, 4096));
    return false;
  }
}

/** Has the operator opened more, in the unit or in a drop-in? Then that is looked at when it starts. */
async function opened(unit: string, dropIns: string | undefined): Promise<boolean> {
  const names = dropIns === undefined ? [] : await readdir(dropIns).catch(() => []);
  const paths = [unit, ...names.filter(name => name.endsWith('.conf')).map(name => `${dropIns}/${name}`)];
  const texts = await Promise.all(paths.map(path => readFile(path, 'utf8').catch(() => '')));
  return texts.some(widensSandbox);
}

async function afterwards(
  target: ServiceTarget,
  { role, start, dryRun }: InstallOptions,
  { name, unit, config, log, rotation }: ServicePaths,
  { steps }: Plan,
): Promise<string> {
  if (dryRun) return steps.length ? 'Nothing of this was done: --dry-run.\n' : 'Nothing would be done.\n';
  if (steps.length === 0) return `Nothing to do: ${name} is as it should be.\n`;
  const user = target.scope === 'user' ? ' --user' : '';
  if (target.root !== undefined) return '';
  const lines: string[] = [];
  const systemd = target.manager === 'systemd';
  const restart = systemd
    ? `systemctl${user} restart --no-block ${name}`
    : `launchctl kickstart -k ${target.scope === 'system' ? 'system' : `gui/${target.uid}`}/${name}`;
  // A package's unit is not written, and is enabled the first time.
  const first = steps.some(
    step =>
      (step.action === 'write' && step.path === unit && !step.replaces) ||
      (step.action === 'run' && step.args.includes('enable')),
  );
  if (start && role === 'agent' && first) {
    lines.push(
      'To reach its broker:',
      `  say in ${config} where it is (nats.servers); without that, it looks on this machine`,
      systemd && !user
        ? '  install -D -m 600 TOKENFILE /etc/credstore/muster-agent.nats.token'
        : '  put its token into a file that you alone may read, and name that there (nats.tokenFile)',
      `  ${restart}`,
    );
  }
  if (start) lines.push(`How it does: muster service status${user} --role ${role}`);
  else lines.push(`It is installed, and not started; the same command without --no-start does that.`);
  if (systemd && user && !(await lingers())) {
    lines.push(`It ends when you log out, unless root says: loginctl enable-linger ${userName()}`);
  }
  if (log && !rotation) {
    const { newsyslogLine } = await import('../../../service/launchd.ts');
    const line = newsyslogLine(log, `${userName()}:staff`).trimEnd();
    lines.push(
      'Its log grows until root has it rotated, by this line in /etc/newsyslog.d/muster.conf:',
      `  ${line}`,
    );
  }
  return `\n${lines.map(line => `${escapeText(line)}\n`).join('')}`;
}

const lingers = (): Promise<boolean> =>
  access(`/var/lib/systemd/linger/${userName()}`).then(
    () => true,
    () => false,
  );
