// Where a restore makes the new state, before that takes the place of what is there: in the data folder, under other names. For
// the data folder of a service it is a folder of root beside it.
import { readdir, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { restoringFolder, roleFolder } from '../../config/paths.ts';
import type { Folders } from '../../requester/backup/restore-folder.ts';
import { makeFolder, removeFile } from '../../system/files.ts';
import { removeTree } from '../../system/remove-tree.ts';
import { holdFolder, type RoleSocket } from '../../system/role-socket.ts';
import { describeHolder } from '../describe-holder.ts';
import { finishExchange, planExchange, type Step, stepsFile } from '../exchange-folders.ts';
import { refuseSharedFolders } from '../refused-paths.ts';
import { exists, hasState, nowInName } from './present-state.ts';
import {
  findServiceFolder,
  moveToService,
  refuseRunningService,
  refuseUnmovable,
  type ServiceFolder,
} from './service-folder.ts';

export type RestoredRole = 'broker' | 'requester';

const stagedSuffix = '.restored';

export class Staging {
  readonly data: string;
  /** The service whose data folder it is, which root only moves things into; undefined for a data folder of this user. */
  readonly service: ServiceFolder | undefined;
  /** The folder in which everything is made. */
  readonly folder: string;
  /** The folders in use, which may be missing. */
  readonly present: Folders;
  /** The folders that take their place. */
  readonly staged: Folders;
  readonly #lock: RoleSocket;

  /** Makes sure that no requester uses the data folder. @throws MusterError `in_use`, `bad_config`, `bad_state`, `not_writable` */
  static async open(data: string): Promise<Staging> {
    const service = await findServiceFolder(data);
    if (service) {
      await refuseUnmovable(service, ['requester', 'broker']);
      await refuseRunningService(service);
    } else await refuseSharedFolders('requester', data);
    await finishExchange(data);
    const folder = service ? restoringFolder(service.path) : data;
    // A requester holds its own folder. In that of a service root makes no lock, so two restores meet in the folder beside it.
    const held = service ? folder : foldersIn(data).requester;
    await makeFolder(held);
    const lock = await holdFolder(
      held,
      () => ({
        role: 'requester',
        pid: process.pid,
        state: 'starting',
        reason: 'a backup is being restored',
      }),
      status => `${service ? 'another restore' : 'a requester'} uses ${held}: ${describeHolder(status)}`,
    );
    const staging = new Staging(data, folder, service, lock);
    try {
      await removeTree(staging.staged.requester);
      await makeFolder(staging.staged.requester);
      return staging;
    } catch (error) {
      await staging.close();
      throw error;
    }
  }

  private constructor(data: string, folder: string, service: ServiceFolder | undefined, lock: RoleSocket) {
    this.data = data;
    this.folder = folder;
    this.service = service;
    this.present = foldersIn(data);
    this.staged = foldersIn(folder, stagedSuffix);
    this.#lock = lock;
  }

  /** Removes what has not taken its place, and lets a requester use the folder. */
  async close(): Promise<void> {
    await Promise.all(Object.values(this.staged).map(removeTree));
    if (this.service) await removeFile(join(this.folder, stepsFile));
    await this.#lock.close();
    if (this.service) await rmdir(this.folder).catch(() => undefined);
  }

  /** Returns whether the present folder of the requester contains anything but locks. */
  hasState(): Promise<boolean> {
    return hasState(this.present.requester);
  }

  /** Brings a file that was made in the folder to the data folder, and returns its path there. @throws MusterError */
  async keep(name: string): Promise<string> {
    if (this.service) await moveToService(this.folder, this.service, name);
    return join(this.data, name);
  }

  /** Throws MusterError `in_use` when a requester was started meanwhile, which only the lock of another user's folder keeps off. */
  async refuseStarted(): Promise<void> {
    if (this.service) await refuseRunningService(this.service);
  }

  /** Puts the restored folders in their place. Returns the paths of the earlier ones that held something. @throws MusterError */
  async takePlace(roles: readonly RestoredRole[]): Promise<string[]> {
    const aside = `before-${nowInName()}`;
    const steps: Step[] = [];
    const kept: string[] = [];
    const keepsRequester = await this.hasState();
    for (const role of roles) {
      if (await exists(this.present[role])) {
        steps.push({ from: role, to: `${role}.${aside}` });
        if (role === 'broker' || keepsRequester) kept.push(`${this.present[role]}.${aside}`);
      }
      steps.push({ from: `${role}${stagedSuffix}`, to: role });
    }
    await planExchange(this.folder, steps);
    if (this.service)
      for (const name of [...roles.map(role => `${role}${stagedSuffix}`), stepsFile])
        await moveToService(this.folder, this.service, name);
    await finishExchange(this.data);
    const earlier = `${this.present.requester}.${aside}`;
    if (!this.service) await removeLocks(earlier);
    if (!keepsRequester) await removeTree(earlier);
    return kept;
  }
}

function foldersIn(data: string, suffix = ''): Folders {
  return {
    requester: `${roleFolder(data, 'requester')}${suffix}`,
    broker: `${roleFolder(data, 'broker')}${suffix}`,
  };
}

/** Removes the lock of this process, which went away with the folder that it held. Nobody may hold that any more. */
async function removeLocks(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch((): string[] => []))
    if (name.endsWith('.sock')) await unlink(join(folder, name)).catch(() => undefined);
}
