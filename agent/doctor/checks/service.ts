// Checks that the installed services run, and that the service manager reports no problems with them.
import type { Role } from '../../config/role.ts';
import { type FolderProblem, findFolderProblem } from '../../service/folder-problem.ts';
import type { ServiceState } from '../../service/plan.ts';
import type { Scope } from '../../service/scope.ts';
import { resolveTarget } from '../../service/target.ts';
import { MusterError } from '../../system/errors.ts';
import { type Check, type Finding, failed, ok, warning } from './check.ts';

/** One service as its service manager sees it. */
export interface ServiceInfo {
  readonly name: string;
  readonly scope: Scope;
  readonly role: Role;
  readonly state: ServiceState;
  /** The command that shows its log. */
  readonly log: string;
  /**
   * The reason why the folders of the service could not be set up; undefined when the service did not end because of
   * that.
   */
  readonly problem?: FolderProblem | undefined;
}

/** Asks the service manager of the machine or of this user; returns undefined when none answers. */
export type ServiceQuery = (role: Role, scope: Scope) => Promise<ServiceInfo | undefined>;

export const service = (roles: readonly Role[], ask: ServiceQuery = askManager): Check => ({
  name: 'service',
  async run() {
    const scopes: Scope[] = process.geteuid?.() === 0 ? ['system'] : ['system', 'user'];
    const answers = await Promise.all(roles.flatMap(role => scopes.map(scope => ask(role, scope))));
    const services = answers.filter(one => one !== undefined);
    if (services.length === 0) return [ok('no service manager answers here')];
    const findings = services.filter(isInstalled).flatMap(serviceFindings);
    return findings.length > 0 ? findings : [ok('not installed as a service')];
  },
});

// Returns whether the service is installed. A service with a faulty unit is also installed: the manager's state shows the
// fault.
const isInstalled = ({ state: { loaded, managerState } }: ServiceInfo) =>
  loaded || !/^not[ -](found|known|loaded)$|^$/.test(managerState);

function serviceFindings(one: ServiceInfo): Finding[] {
  const { name, role, scope, state, log } = one;
  const user = scope === 'user' ? ' --user' : '';
  const findings = [stateFinding(one, user)];
  if (state.restarts)
    findings.push(
      warning(`${name} was restarted ${state.restarts} times by the service manager`, `see why: ${log}`),
    );
  if (state.unitChanged) {
    const text = `the unit file of ${name} was changed after the service manager read it`;
    findings.push(
      warning(
        text,
        `systemctl${user} daemon-reload, then restart it; muster service status${user} --role ${role}`,
      ),
    );
  }
  return findings;
}

function stateFinding({ name, role, state, log, problem }: ServiceInfo, user: string): Finding {
  const { managerState, loaded, enabled, ended } = state;
  const install = `muster service install${user} --role ${role}`;
  const enable = process.platform === 'darwin' ? install : `systemctl${user} enable --now ${name}`;
  if (!loaded) return failed(`${name} cannot be loaded: ${managerState}`, `write the unit again: ${install}`);
  switch (state.state) {
    case 'running':
      return enabled
        ? ok(`${name} is ${managerState}`)
        : warning(`${name} is ${managerState}, but does not start by itself`, enable);
    case 'starting':
    case 'stopping':
      return warning(
        `${name} is ${state.state}: ${state.statusText ?? managerState}`,
        `see what it waits for: ${log}`,
      );
    case 'failed':
      return failed(
        `${name} is ${managerState}${ended ? `: ${ended}` : ''}${problem ? `: ${problem.what}` : ''}`,
        problem?.remedy ?? `see why: ${log}`,
      );
    case 'stopped':
      if (!enabled) return ok(`${name} is installed and not enabled; it is ${managerState}`);
      return failed(`${name} is ${managerState}, although it should start by itself`, enable);
  }
}

const askManager: ServiceQuery = async (role, scope) => {
  try {
    const machine = await resolveTarget({ scope, root: undefined });
    const places = machine.paths(role);
    const { name, log } = places;
    const state = await machine.managerProgram?.state(name);
    const journal = `journalctl${scope === 'user' ? ' --user' : ''} -u ${name}`;
    if (!state) return undefined;
    const problem = await findFolderProblem(state, places);
    return { name, scope, role, state, log: log ? `tail ${log}` : journal, problem };
  } catch (error) {
    if (error instanceof MusterError) return undefined;
    throw error;
  }
};
