// Carries a plan out, step by step, telling each one as it is done. What has been done stays done when a later step fails.
import { chmod, chown, mkdir, readdir, rename, rm, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, sleep } from '../system/clock.ts';
import { errnoOf, MusterError, reasonOf } from '../system/errors.ts';
import { writeFileAtomic } from '../system/files.ts';
import type { ManagerProgram } from './manager-program.ts';
import type { Owner, Plan, Step } from './plan.ts';

export interface ApplyOptions {
  managerProgram: ManagerProgram | undefined;
  /** The name of the service, to see when it has ended. */
  name: string;
  /** Put before every path; empty for the machine's own root. */
  root: string;
  /** Only root gives files away. */
  mayChown: boolean;
  clock: Clock;
  /** Called before each step. */
  onStep(step: Step): void;
}

/** Milliseconds for launchd to be rid of a service that was told to stop, and between two looks. */
const stopTimeoutMs = 30_000;
const pollIntervalMs = 100;

/** Throws MusterError at the first step that fails. */
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
      if (!managerProgram) throw new Error('a command, and no service manager to run it');
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

// Whatever this process's umask says.
async function setOwner(path: string, mode: number, { uid, gid }: Owner, mayChown: boolean): Promise<void> {
  if (mayChown) await chown(path, uid, gid);
  await chmod(path, mode);
}

async function remove(path: string, what: 'file' | 'folder' | 'tree'): Promise<void> {
  try {
    if (what === 'tree') await rm(path, { recursive: true, force: true });
    else await (what === 'file' ? unlink(path) : rmdir(path));
  } catch (error) {
    const code = errnoOf(error);
    // Gone by itself, as what systemd makes may be.
    if (code === 'ENOENT') return;
    // A disk is mounted there: what is on it goes, and the folder stays for whoever mounted it.
    if (code !== 'EBUSY' || what === 'file') throw error;
    if (what === 'tree') for (const name of await readdir(path)) await remove(join(path, name), what);
  }
}

async function withPathError(path: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof MusterError) throw error;
    throw new MusterError('not_writable', `cannot change ${path}: ${reasonOf(error)}`, {
      hint: 'what was done before this stays done; the same command goes on from there',
      cause: error,
    });
  }
}

async function awaitStop({ managerProgram, name, clock }: ApplyOptions): Promise<void> {
  const began = clock.monotonic();
  while ((await managerProgram?.state(name))?.loaded) {
    if (clock.monotonic() - began > stopTimeoutMs) {
      throw new MusterError('failed', `${name} did not end within ${stopTimeoutMs / 1000} s`);
    }
    await sleep(clock, pollIntervalMs);
  }
}
