// A service manager's own program: found among known places, run without a shell, with a deadline and a bound on its output.
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { startChild } from '../system/child.ts';
import type { Clock } from '../system/clock.ts';
import { MusterError, reasonOf } from '../system/errors.ts';
import { printable } from '../system/printable.ts';
import type { ServiceState } from './plan.ts';

export interface ManagerProgram {
  /** The program, by absolute path. */
  readonly program: string;
  /** What the manager says of the service `name`. Throws MusterError `unreachable` when it does not answer. */
  state(name: string): Promise<ServiceState>;
  /** Runs one command. Throws MusterError with what it complained of. */
  run(args: readonly string[]): Promise<void>;
}

export interface ProgramOutput {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  /** More variables for it. */
  env?: Readonly<Record<string, string>>;
  clock?: Clock;
}

/** A role stops within 5 s; a machine under load takes its time. */
const programTimeoutMs = 60_000;
const outputLimitBytes = 1_048_576;

/** Where systems keep it; nobody but root puts a program there. */
const systemFolders = ['/usr/bin', '/bin', '/usr/sbin', '/sbin'];

/** Throws MusterError `unreachable` when it is nowhere. */
export async function findSystemProgram(
  name: string,
  places: readonly string[] = systemFolders,
): Promise<string> {
  for (const folder of places) {
    const path = join(folder, name);
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  throw new MusterError(
    'unreachable',
    `there is no ${name} on this machine (looked in ${places.join(', ')})`,
    {
      hint: 'services need systemd (Linux) or launchd (macOS); without one, run the role under a supervisor of your own',
    },
  );
}

/** Runs `program` to its end, whatever the end is. Throws MusterError when it cannot be run, hangs or babbles. */
export async function runProgram(
  program: string,
  args: readonly string[],
  { env, clock }: ProgramOptions = {},
): Promise<ProgramOutput> {
  const what = `${program} ${args.join(' ')}`;
  const outcome = await startChild(program, args, {
    timeoutMs: programTimeoutMs,
    outputLimitBytes,
    env,
    clock,
  }).outcome;
  switch (outcome.kind) {
    case 'ended':
      return outcome;
    case 'late':
      throw new MusterError(
        'failed',
        `${what} did not end within ${programTimeoutMs / 1000} s and was ended`,
      );
    case 'not_started':
      throw new MusterError('failed', `${program} cannot be run: ${reasonOf(outcome.cause)}`);
    default:
      throw new MusterError('failed', `${what} said more than can be read, and was ended`);
  }
}

/** The error for a command that failed, in the program's own words. */
export function commandFailed(
  program: string,
  args: readonly string[],
  { status, stderr, stdout }: ProgramOutput,
): MusterError {
  const words = (stderr.trim() || stdout.trim() || `exit code ${status}`).split('\n').slice(0, 5);
  const text = words.map(line => printable(line)).join('; ');
  return new MusterError('failed', `${program} ${args.join(' ')} failed: ${text}`);
}
