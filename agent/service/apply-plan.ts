// Applies a plan step by step. When a step fails, the steps before it stay done.
import { constants } from 'node:fs';
import { mkdir, open, rename, rmdir, unlink } from 'node:fs/promises';
import { type Clock, sleep } from '../system/clock.ts';
import { errnoOf, MusterError, reasonOf } from '../system/errors.ts';
import { writeFileAtomic } from '../system/files.ts';
import { removeTree } from '../system/remove-tree.ts';
import type { ManagerProgram } from './manager-program.ts';
import type { Owner, Plan, Step } from './plan.ts';

export interface ApplyOptions {
  managerProgram: ManagerProgram | undefined;
  /** The name of the service. It is needed to see when the service has stopped. */
  name: string;
  /** The folder that is put before every path; empty for the root of this machine. */
  root: string;
  /** Whether to set owners. Only root may do that. */
  mayChown: boolean;
  clock: Clock;
  /** Called before each step. */
  onStep(step: Step): void;
}

/** Time that launchd has to stop a service, and time between two checks of that, in milliseconds. */
const stopTimeoutMs = 30_000;
const pollIntervalMs = 100;

/** Applies the steps of `plan`. Throws MusterError at the first step that fails. */
export async function applyPlan(plan: Plan, options: ApplyOptions): Promise<void> {
  for (const step of plan.steps) {
    options.onStep(step);
    await applyStep(step, options);
  }
}

async function applyStep(step: Step, options: ApplyOptions): Promise<void> {
  const { root, managerProgram } = options;
  switch (step.action) {
    case 'run':
      if (!managerProgram) throw new Error('the plan has a command, and there is no service manager');
      return managerProgram.run(step.args);
    case 'await stop':
      return awaitStop(options);
    default:
      return withPathError(step.path, () => changePath(step, root, options.mayChown));
  }
}

async function changePath(
  step: Exclude<Step, { action: 'run' | 'await stop' }>,
  root: string,
  mayChown: boolean,
): Promise<void> {
  const path = root + step.path;
  switch (step.action) {
    case 'make folder':
      await mkdir(path);
      return setOwner(path, step.mode, step.owner, mayChown);
    case 'write':
      await writeFileAtomic(path, step.content, step.mode);
      return setOwner(path, step.mode, step.owner, mayChown);
    case 'rename':
      return rename(path, root + step.to);
    case 'remove':
      return remove(path, step.what);
  }
}

// Sets the mode and the owner. The mode is set here because the umask of this process may have changed it.
async function setOwner(path: string, mode: number, { uid, gid }: Owner, mayChown: boolean): Promise<void> {
  // The file is opened without following a link. Otherwise somebody could put a link there, and another file would change.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    if (mayChown) await file.chown(uid, gid);
    await file.chmod(mode);
  } finally {
    await file.close();
  }
}

async function remove(path: string, what: 'file' | 'folder' | 'tree'): Promise<void> {
  try {
    if (what === 'tree') await removeTree(path);
    else await (what === 'file' ? unlink(path) : rmdir(path));
  } catch (error) {
    const code = errnoOf(error);
    // The file no longer exists: systemd removes some of its files itself.
    if (code === 'ENOENT') return;
    // A disk is mounted there. Its files are removed, but the mount point stays for the person who mounted the disk.
    if (code !== 'EBUSY' || what === 'file') throw error;
  }
}

async function withPathError(path: string, change: () => Promise<void>): Promise<void> {
  try {
    await change();
  } catch (error) {
    if (error instanceof MusterError) throw error;
    throw new MusterError('not_writable', `cannot change ${path}: ${reasonOf(error)}`, {
      hint: 'the steps before this one stay done; the same command continues from here',
      cause: error,
    });
  }
}

async function awaitStop({ managerProgram, name, clock }: ApplyOptions): Promise<void> {
  const began = clock.monotonic();
  while ((await managerProgram?.state(name))?.loaded) {
    if (clock.monotonic() - began > stopTimeoutMs) {
      throw new MusterError('failed', `${name} did not stop within ${stopTimeoutMs / 1000} s`);
    }
    await sleep(clock, pollIntervalMs);
  }
}
