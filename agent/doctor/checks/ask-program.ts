// Runs a program of the system for a check, with a timeout, without a shell, and without our environment.

import { findSystemProgram } from '../../service/manager-program.ts';
import { startChild } from '../../system/child.ts';
import { MusterError } from '../../system/errors.ts';

export interface ProgramOutput {
  /** The exit code; null when a signal ended the program. */
  readonly status: number | null;
  readonly stdout: string;
  /** The beginning of standard error. */
  readonly stderr: string;
}

export interface AskOptions {
  /** Time that the program may take, in milliseconds. */
  timeoutMs?: number;
  /** Size of the largest standard output, in bytes. */
  outputLimitBytes?: number;
}

/** Returns the output of the system's program `name`, or why there is none. Never throws. */
export async function askProgram(
  name: string,
  args: readonly string[],
  options: AskOptions = {},
): Promise<ProgramOutput | string> {
  const { timeoutMs = 5_000, outputLimitBytes = 65_536 } = options;
  const program = await findSystemProgram(name).catch((error: unknown) => {
    if (error instanceof MusterError) return undefined;
    throw error;
  });
  if (program === undefined) return `there is no ${name} here`;
  const outcome = await startChild(program, args, { timeoutMs, outputLimitBytes }).outcome;
  switch (outcome.kind) {
    case 'ended':
      return outcome;
    case 'late':
      return `${name} did not end within ${timeoutMs / 1000} s`;
    case 'too_long':
      return `${name} wrote more than ${outputLimitBytes} bytes`;
    default:
      return `${name} could not be run`;
  }
}
