// The context of the checks contains the settings, the folders, the roles, and answers that several checks need.
import { stat } from 'node:fs/promises';
import type { AgentStatus } from '../../compute/agent-status.ts';
import type { LoadedSettings } from '../../config/load.ts';
import { roleFolder, runtimeFolder } from '../../config/paths.ts';
import type { Role } from '../../config/role.ts';
import type { Settings } from '../../config/settings.ts';
import type { ProbeView } from '../../host/view.ts';
import type { RequesterStatus } from '../../requester/status/requester-status.ts';
import { errnoOf } from '../../system/errors.ts';
import { askHolder } from '../../system/role-socket.ts';
import type { AccessCheck } from '../../transport/access-check.ts';
import type { Credentials } from '../../transport/credentials.ts';
import type { TlsFiles } from '../../transport/tls.ts';
import { isDenied } from './check.ts';

/** The data with which a role reaches its broker. */
export interface BrokerAccess {
  readonly servers: readonly string[];
  readonly credentials: Credentials;
  readonly tls: TlsFiles | undefined;
  /** The node whose key is shown; undefined when the role uses other credentials. */
  readonly node?: { readonly name: string; readonly key: string } | undefined;
}

export interface Context {
  readonly roles: readonly Role[];
  readonly loaded: LoadedSettings;
  readonly settings: Settings;
  /** The data folder. */
  readonly data: string;
  folderOf(role: Role | 'broker'): string;
  /**
   * Returns the status of the agent that runs here; undefined when none runs. `requester` does the same. Both throw
   * MusterError when the role does not answer.
   */
  agent(): Promise<AgentStatus | undefined>;
  requester(): Promise<RequesterStatus | undefined>;
  /** Returns how to reach the role's broker; undefined when that is the requester's own broker and it never ran. */
  broker(role: Role): Promise<BrokerAccess | undefined>;
  /** Returns the results of the broker access checks of the role. They run only once. */
  accessChecks(role: Role): Promise<readonly AccessCheck[]>;
  /** Returns the facts about this machine. They are read only once. */
  machine(): Promise<ProbeView>;
}

/** Returns whether `path` exists. Throws when the system does not say. */
export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return false;
    throw error;
  }
}

/**
 * Returns the status of the running agent; `denied` when this user may not ask it; undefined when none runs or it does
 * not answer.
 */
export async function askAgent({ agent }: Context): Promise<AgentStatus | 'denied' | undefined> {
  try {
    return await agent();
  } catch (error) {
    return isDenied(error) ? 'denied' : undefined;
  }
}

export interface ContextOptions {
  loaded: LoadedSettings;
  data: string;
  roles: readonly Role[];
  /** Returns how to reach the role's broker. `running` asks the requester that runs here for its status. */
  broker(role: Role, running: Context['requester']): Promise<BrokerAccess | undefined>;
  checkAccess(access: BrokerAccess): Promise<readonly AccessCheck[]>;
  machine(): Promise<ProbeView>;
}

export function createContext({
  loaded,
  data,
  roles,
  broker,
  checkAccess,
  machine,
}: ContextOptions): Context {
  const { settings } = loaded;
  const once = <T>(ask: () => Promise<T>) => {
    let asked: Promise<T> | undefined;
    return () => {
      asked ??= ask();
      return asked;
    };
  };
  const status = (role: Role) => once(() => askHolder(runtimeFolder(data, role), { command: 'status' }));
  const requester = status('requester') as Context['requester'];
  const accessOf = (role: Role) => broker(role, requester);
  const accessChecks = {
    agent: once(() => findAccess('agent')),
    requester: once(() => findAccess('requester')),
  };
  const findAccess = async (role: Role) => {
    const access = await accessOf(role);
    return access ? await checkAccess(access) : [];
  };
  return {
    roles,
    loaded,
    settings,
    data,
    folderOf: name => roleFolder(data, name),
    agent: status('agent') as Context['agent'],
    requester,
    broker: accessOf,
    accessChecks: role => accessChecks[role](),
    machine: once(machine),
  };
}
