// Plans an installation: decides which steps are needed on the inspected machine. The functions are pure.
import { dirname } from 'node:path';
import { MusterError } from '../system/errors.ts';
import type { ExistingFile, Inspection, Owner, Plan, ServiceState, Step } from './plan.ts';
import type { ManagerName, Scope } from './scope.ts';
import { readSeal } from './seal.ts';
import type { ServicePaths } from './service-paths.ts';

export interface ServiceFile {
  readonly path: string;
  readonly content: string;
}

export interface InstallParameters {
  readonly manager: ManagerName;
  readonly scope: Scope;
  readonly owner: Owner;
  /** The number of the user who owns the service, in the scope `user`. */
  readonly uid: number;
  /** The unit with its seal. */
  readonly unit: ServiceFile;
  readonly rotation: ServiceFile | undefined;
  /** The sample configuration. It is written when there is no configuration. */
  readonly config: ServiceFile;
  /** The join code of the node as a secret of systemd; undefined when none is given. */
  readonly code?: ServiceFile | undefined;
  /** Whether to start the service now and at every boot. */
  readonly start: boolean;
  /**
   * Whether the role would start with the existing configuration. When it would not, a running service is not restarted.
   */
  readonly configIsValid: boolean;
  /** Whether to replace files that were changed by hand, and to restart the service even if it may not start again. */
  readonly force: boolean;
  /** The other root; undefined for `/`. */
  readonly root: string | undefined;
}

/**
 * Returns the plan; it is empty when nothing is to be done. @throws MusterError `failed` when the service is masked, when
 * a running service would not start again, or when something else exists at the path of a folder or a file.
 */
export function planInstall(
  parameters: InstallParameters,
  paths: ServicePaths,
  inspection: Inspection,
): Plan {
  if (inspection.service?.managerState === 'masked' && !parameters.force) {
    throw new MusterError('failed', `${paths.name} is masked, so that nothing can start it`, {
      hint: ['systemctl', ...systemctlArgs(parameters, ['unmask', paths.name])].join(' '),
    });
  }
  const steps: Step[] = [];
  const warnings: string[] = [];
  const notes: string[] = [];
  const needFolder = (path: string, mode = 0o755) => {
    if (
      path === '/' ||
      inspection.folders.has(path) ||
      steps.some(step => step.action === 'make folder' && step.path === path)
    )
      return;
    if (inspection.files.has(path)) {
      throw new MusterError('failed', `${path} must be a folder, and something else is there`, {
        hint: 'move away what is there',
      });
    }
    needFolder(dirname(path));
    // Only the folders above the files are made here. The service makes the folders to which it writes.
    steps.push({ action: 'make folder', path, mode, owner: parameters.owner });
  };
  const write = ({ path, content }: ServiceFile, replaces: boolean, mode = 0o644) => {
    if (inspection.folders.has(path)) {
      throw new MusterError('failed', `${path} must be a file, and a folder is there`, {
        hint: 'move away what is there',
      });
    }
    needFolder(dirname(path));
    steps.push({ action: 'write', path, mode, owner: parameters.owner, content, replaces });
  };
  if (inspection.files.has(paths.config)) {
    const existing = inspection.files.get(paths.config);
    if (existing?.kind === 'other') warnings.push(`${paths.config} is left unchanged: ${existing.why}`);
    // The user of the service must be able to read it. A user's own configuration may contain secrets.
  } else write(parameters.config, false, parameters.scope === 'user' ? 0o600 : 0o644);
  if (parameters.code) {
    const { path, content } = parameters.code;
    needFolder(dirname(path), 0o700);
    const replaces = inspection.secrets.includes(path);
    const { owner } = parameters;
    steps.push({ action: 'write', path, mode: 0o600, owner, content, replaces, isSecret: true });
  }
  if (paths.log) needFolder(dirname(paths.log));
  let fresh = false;
  if (inspection.packaged) {
    notes.push(`${inspection.packaged} comes from a package and is used; the package upgrades it`);
    if (inspection.files.has(paths.unit)) {
      warnings.push(`${paths.unit} overrides it; remove that file to use the unit of the package`);
    }
  }
  for (const file of [parameters.unit, parameters.rotation]) {
    if (!file || inspection.packaged) continue;
    const existing = inspection.files.get(file.path);
    const verdict = compareWithExisting(existing, file.content);
    if (verdict === 'same') continue;
    if (verdict !== 'replaceable' && !parameters.force) {
      warnings.push(`${file.path} is left unchanged: ${verdict}; --force replaces it`);
      continue;
    }
    write(file, existing !== undefined);
    fresh ||= file === parameters.unit;
  }
  if (inspection.holder !== undefined && inspection.holder !== inspection.service?.pid) {
    warnings.push(
      `process ${inspection.holder} already runs this role; the service starts when that process has stopped`,
    );
  }
  if (
    parameters.start &&
    !parameters.configIsValid &&
    !parameters.force &&
    isRunning(inspection.service) &&
    (fresh || inspection.outdated)
  ) {
    throw new MusterError(
      'failed',
      `${paths.name} runs and would not start again with this configuration: it is left unchanged`,
      {
        hint: 'correct the configuration and repeat the command; --force restarts the service anyway',
      },
    );
  }
  const begin = parameters.manager === 'systemd' ? startSystemd : startLaunchd;
  steps.push(...begin(parameters, paths, inspection, fresh));
  return { steps, warnings, notes };
}

/** Returns `same`, `replaceable`, or the reason why the existing file must not be replaced. */
function compareWithExisting(existing: ExistingFile | undefined, content: string): string {
  if (existing === undefined) return 'replaceable';
  if (existing.kind === 'link') return `it is a link to ${existing.target}`;
  if (existing.kind === 'other') return existing.why;
  if (existing.text === content) return 'same';
  const seal = readSeal(existing.text);
  if (seal === 'whole') return 'replaceable';
  return seal === 'changed' ? 'it was changed after it was installed' : 'muster did not write it';
}

function startSystemd(
  parameters: InstallParameters,
  { name }: ServicePaths,
  inspection: Inspection,
  fresh: boolean,
): Step[] {
  const { service } = inspection;
  const run = (...args: string[]): Step => ({ action: 'run', args: systemctlArgs(parameters, args) });
  // Enabling a unit only makes a link, so it works without a running service manager.
  if (parameters.root !== undefined)
    return parameters.start && !service?.enabled ? [run('enable', name)] : [];
  const steps: Step[] = [];
  if (fresh || service?.unitChanged) steps.push(run('daemon-reload'));
  if (!parameters.start) return steps;
  if (!service?.enabled) steps.push(run('enable', name));
  // --no-block is used because the role is ready only when its cluster answers, and that may need an operator first.
  if (!isRunning(service)) steps.push(run('start', '--no-block', name));
  else if (fresh || inspection.outdated || parameters.code) steps.push(run('restart', '--no-block', name));
  return steps;
}

/** Returns the arguments of systemctl for one command. */
export function systemctlArgs(
  { scope, root }: Pick<InstallParameters, 'scope' | 'root'>,
  args: readonly string[],
): string[] {
  const user = scope === 'user' ? ['--user'] : [];
  return root === undefined ? [...user, ...args] : [`--root=${root}`, ...args];
}

function startLaunchd(
  parameters: InstallParameters,
  { name, unit }: ServicePaths,
  inspection: Inspection,
  fresh: boolean,
): Step[] {
  if (parameters.root !== undefined) return [];
  const { service } = inspection;
  const domain = launchdDomain(parameters);
  const run = (...args: string[]): Step => ({ action: 'run', args });
  // Without `disable`, launchd would load the property list at the next boot.
  if (!parameters.start) return service?.enabled ? [run('disable', `${domain}/${name}`)] : [];
  const steps: Step[] = [];
  if (!service?.enabled) steps.push(run('enable', `${domain}/${name}`));
  const loaded = service?.loaded ?? false;
  if (loaded && fresh) steps.push(run('bootout', `${domain}/${name}`), { action: 'await stop' });
  if (!loaded || fresh) steps.push(run('bootstrap', domain, unit));
  else if (!isRunning(service)) steps.push(run('kickstart', `${domain}/${name}`));
  return steps;
}

/** Returns the launchd domain of the service: one for the machine, and one for each user who is logged in. */
export const launchdDomain = ({ scope, uid }: Pick<InstallParameters, 'scope' | 'uid'>): string =>
  scope === 'system' ? 'system' : `gui/${uid}`;

function isRunning(service: ServiceState | undefined): boolean {
  return service?.state === 'running' || service?.state === 'starting';
}
