// Finds and runs the service manager's program (systemctl, launchctl), without a shell, with a timeout and an output limit.
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { startChild } from '../system/child.ts';
import type { Clock } from '../system/clock.ts';
import { MusterError, reasonOf } from '../system/errors.ts';
import { printable } from '../system/printable.ts';
import type { ServiceState } from './plan.ts';

export interface ManagerProgram {
  /** Absolute path of the program. */
  readonly program: string;
  /** Returns the state of the service `name`. Throws MusterError `unreachable` when the manager does not answer. */
  state(name: string): Promise<ServiceState>;
  /** Runs one command. Throws MusterError with the program's own message when it fails. */
  run(args: readonly string[]): Promise<void>;
}

export interface ProgramOutput {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  /** Additional environment variables. */
  env?: Readonly<Record<string, string>>;
  clock?: Clock;
}

/** Time for one command, in milliseconds. A role stops within 5 s, but a machine under load may take much longer. */
const programTimeoutMs = 60_000;
const outputLimitBytes = 1_048_576;

/** Folders of system programs. Only root can put a program into them. */
const systemFolders = ['/usr/bin', '/bin', '/usr/sbin', '/sbin'];

/**
 * Returns the absolute path of the system's program `name`. @throws MusterError `unreachable` when it is in none of the
 * folders.
 */
export async function findSystemProgram(
  name: string,
  folders: readonly string[] = systemFolders,
): Promise<string> {
  for (const folder of folders) {
    const path = join(folder, name);
    const isExecutable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isExecutable) return path;
  }
  throw new MusterError(
    'unreachable',
    `there is no ${name} on this machine (searched: ${folders.join(', ')})`,
    {
      hint: 'services need systemd (Linux) or launchd (macOS); without them, run the role under another supervisor',
    },
  );
}

/**
 * Runs `program` and returns its output, whatever its exit code is.
 * @throws MusterError when it cannot be run, does not end in time, or writes too much.
 */
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
        `${what} did not end within ${programTimeoutMs / 1000} s and was killed`,
      );
    case 'not_started':
      throw new MusterError('failed', `${program} cannot be run: ${reasonOf(outcome.cause)}`);
    default:
      throw new MusterError('failed', `${what} wrote more than ${outputLimitBytes} bytes and was killed`);
  }
}

/** Makes the error for a command that failed, with the first lines of the program's own message. */
export function commandFailed(
  program: string,
  args: readonly string[],
  { status, stderr, stdout }: ProgramOutput,
): MusterError {
  const words = (stderr.trim() || stdout.trim() || `exit code ${status}`).split('\n').slice(0, 5);
  const text = words.map(line => printable(line)).join('; ');
  return new MusterError('failed', `${program} ${args.join(' ')} failed: ${text}`);
}
