// Installing, decided: what of it is still to be done on a machine where this much was found. Pure.
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
  /** Of the user whose service it is, in the scope `user`. */
  readonly uid: number;
  /** The unit, sealed, and what else stands or falls with it. */
  readonly unit: ServiceFile;
  readonly rotation: ServiceFile | undefined;
  /** What a configuration starts as. */
  readonly config: ServiceFile;
  /** Start it, and at every boot. */
  readonly start: boolean;
  /** The configuration that is there allows a start: a service that runs is only restarted with one that does. */
  readonly configIsValid: boolean;
  /** Replace what was changed by hand, and start what may fail. */
  readonly force: boolean;
  /** Another root than the machine's own. */
  readonly root: string | undefined;
}

/**
 * The plan is empty when all is as it should be.
 * @throws MusterError `failed` when the service was masked, when one that runs would not start again, or when something else
 * stands where a folder or a file has to be.
 */
export function planInstall(wish: InstallParameters, places: ServicePaths, found: Inspection): Plan {
  if (found.service?.managerState === 'masked' && !wish.force) {
    throw new MusterError('failed', `${places.name} is masked: somebody wants that it is never started`, {
      hint: ['systemctl', ...systemctlArgs(wish, ['unmask', places.name])].join(' '),
    });
  }
  const steps: Step[] = [];
  const warnings: string[] = [];
  const notes: string[] = [];
  const needFolder = (path: string) => {
    if (
      path === '/' ||
      found.folders.has(path) ||
      steps.some(step => step.action === 'make folder' && step.path === path)
    )
      return;
    if (found.files.has(path)) {
      throw new MusterError('failed', `${path} is no folder, and one has to be there`, {
        hint: 'move away what is there',
      });
    }
    needFolder(dirname(path));
    // What a service writes is its own matter; these only lead there.
    steps.push({ action: 'make folder', path, mode: 0o755, owner: wish.owner });
  };
  const write = ({ path, content }: ServiceFile, replaces: boolean, mode = 0o644) => {
    if (found.folders.has(path)) {
      throw new MusterError('failed', `${path} is a folder, and a file has to be there`, {
        hint: 'move away what is there',
      });
    }
    needFolder(dirname(path));
    steps.push({ action: 'write', path, mode, owner: wish.owner, content, replaces });
  };
  if (found.files.has(places.config)) {
    const standing = found.files.get(places.config);
    if (standing?.kind === 'other') warnings.push(`${places.config} is left as it is: ${standing.why}`);
    // The service's own user must read it; where that is the user's own, it may hold secrets.
  } else write(wish.config, false, wish.scope === 'user' ? 0o600 : 0o644);
  if (places.log) needFolder(dirname(places.log));
  let fresh = false;
  if (found.packaged) {
    notes.push(`${found.packaged} comes from a package and is used; the package upgrades it`);
    if (found.files.has(places.unit)) {
      warnings.push(`${places.unit} takes its place; without it the packaged one would hold`);
    }
  }
  for (const file of [wish.unit, wish.rotation]) {
    if (!file || found.packaged) continue;
    const standing = found.files.get(file.path);
    const verdict = compareWithExisting(standing, file.content);
    if (verdict === 'same') continue;
    if (verdict !== 'replaceable' && !wish.force) {
      warnings.push(`${file.path} is left as it is: ${verdict}; --force replaces it`);
      continue;
    }
    write(file, standing !== undefined);
    fresh ||= file === wish.unit;
  }
  if (found.holder !== undefined && found.holder !== found.service?.pid) {
    warnings.push(
      `process ${found.holder} runs this role already; the service takes over once it has stopped`,
    );
  }
  if (
    wish.start &&
    !wish.configIsValid &&
    !wish.force &&
    isRunning(found.service) &&
    (fresh || found.outdated)
  ) {
    throw new MusterError('failed', `${places.name} runs, and would not start again: it is left as it is`, {
      hint: 'mend the configuration and repeat the command; --force restarts it all the same',
    });
  }
  const begin = wish.manager === 'systemd' ? startSystemd : startLaunchd;
  steps.push(...begin(wish, places, found, fresh));
  return { steps, warnings, notes };
}

/** `same`, `replaceable`, or why it is not. */
function compareWithExisting(standing: ExistingFile | undefined, content: string): string {
  if (standing === undefined) return 'replaceable';
  if (standing.kind === 'link') return `it is a link to ${standing.target}`;
  if (standing.kind === 'other') return standing.why;
  if (standing.text === content) return 'same';
  const seal = readSeal(standing.text);
  if (seal === 'whole') return 'replaceable';
  return seal === 'changed' ? 'it was changed since it was installed' : 'muster did not write it';
}

function startSystemd(
  wish: InstallParameters,
  { name }: ServicePaths,
  found: Inspection,
  fresh: boolean,
): Step[] {
  const { service } = found;
  const run = (...args: string[]): Step => ({ action: 'run', args: systemctlArgs(wish, args) });
  // Without a service manager that runs, a unit can still be enabled: that is a link.
  if (wish.root !== undefined) return wish.start && !service?.enabled ? [run('enable', name)] : [];
  const steps: Step[] = [];
  if (fresh || service?.unitChanged) steps.push(run('daemon-reload'));
  if (!wish.start) return steps;
  if (!service?.enabled) steps.push(run('enable', name));
  // Not waited for: it is ready once its cluster answers, and that may take until somebody has configured it.
  if (!isRunning(service)) steps.push(run('start', '--no-block', name));
  else if (fresh || found.outdated) steps.push(run('restart', '--no-block', name));
  return steps;
}

/** The arguments of systemctl for one command. */
export function systemctlArgs(
  { scope, root }: Pick<InstallParameters, 'scope' | 'root'>,
  args: readonly string[],
): string[] {
  const user = scope === 'user' ? ['--user'] : [];
  return root === undefined ? [...user, ...args] : [`--root=${root}`, ...args];
}

function startLaunchd(
  wish: InstallParameters,
  { name, unit }: ServicePaths,
  found: Inspection,
  fresh: boolean,
): Step[] {
  if (wish.root !== undefined) return [];
  const { service } = found;
  const domain = launchdDomain(wish);
  const run = (...args: string[]): Step => ({ action: 'run', args });
  // What lies in its folder would be loaded at the next boot.
  if (!wish.start) return service?.enabled ? [run('disable', `${domain}/${name}`)] : [];
  const steps: Step[] = [];
  if (!service?.enabled) steps.push(run('enable', `${domain}/${name}`));
  const loaded = service?.loaded ?? false;
  if (loaded && fresh) steps.push(run('bootout', `${domain}/${name}`), { action: 'await stop' });
  if (!loaded || fresh) steps.push(run('bootstrap', domain, unit));
  else if (!isRunning(service)) steps.push(run('kickstart', `${domain}/${name}`));
  return steps;
}

/** Where launchd keeps the service: one for the machine, one for each user who is logged in. */
export const launchdDomain = ({ scope, uid }: Pick<InstallParameters, 'scope' | 'uid'>): string =>
  scope === 'system' ? 'system' : `gui/${uid}`;

function isRunning(service: ServiceState | undefined): boolean {
  return service?.state === 'running' || service?.state === 'starting';
}
