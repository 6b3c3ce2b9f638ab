// Kills a process, or gives it an error, at a chosen step of its writes to files. It uses faulty-files.c.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compileLibrary } from './compile.ts';
import { findProgram } from './find-program.ts';
import { newFolder } from './temporary.ts';

/** Returns why no faults can be made on this machine; undefined when they can. */
export async function whyNoFaults(): Promise<string | undefined> {
  if (process.platform !== 'linux')
    return 'the library that makes writes fail can be preloaded on Linux only';
  return findProgram('cc').then(
    () => undefined,
    () => 'there is no C compiler to build the library that makes writes fail',
  );
}

/** The fault at a step: the process is killed before it or in the middle of a write, or the step gets an error. */
export type FaultKind = 'kill' | 'torn' | 'ENOSPC' | 'EIO';

/** The errors that any write can get from the system. */
export const errors = ['ENOSPC', 'EIO'] as const;
const numbers: Readonly<Record<string, number>> = { ENOSPC: 28, EIO: 5 };

/** A fault at a step, which is written as in the list of steps, such as `rename node.yaml 1`. */
export interface Fault {
  step: string;
  how: FaultKind;
}

export class FaultyFiles {
  readonly #library: string;
  readonly #logs: string;

  static async build(): Promise<FaultyFiles> {
    return new FaultyFiles(
      await compileLibrary(new URL('faulty-files.c', import.meta.url), 'faulty-files.so'),
      await newFolder(),
    );
  }

  private constructor(library: string, logs: string) {
    this.#library = library;
    this.#logs = logs;
  }

  /** Returns the environment for a process: its writes below `folder` are listed under `name` and get `faults`. */
  environment(name: string, folder: string, faults: readonly Fault[] = []): Record<string, string> {
    return {
      LD_PRELOAD: this.#library,
      FAULTS_IN: folder,
      FAULTS_LOG: join(this.#logs, name),
      FAULT: faults.map(({ step, how }) => `${step} ${numbers[how] ?? how}`).join(';'),
      // The library cannot see writes that the kernel does through io_uring.
      UV_USE_IO_URING: '0',
    };
  }

  /** Returns the steps that the process under `name` took, in order. */
  async steps(name: string): Promise<string[]> {
    const text = await readFile(join(this.#logs, name), 'utf8').catch(() => '');
    return text.split('\n').filter(Boolean);
  }
}

/** Returns a fault for each way of being killed at one of `steps`: before it, and in the middle of a write. */
export function kills(steps: readonly string[]): Fault[][] {
  return steps.flatMap(step => {
    const before: Fault = { step, how: 'kill' };
    return step.startsWith('write ') ? [[before], [{ step, how: 'torn' }]] : [[before]];
  });
}

/** Returns an error at each of `steps`. The errors take turns, because the program treats them alike. */
export const errorAtEach = (steps: readonly string[]): Fault[][] =>
  steps.map((step, index) => [{ step, how: errors[index % errors.length] ?? 'EIO' }]);

/**
 * Runs `trial` for each set of faults, a few at a time, each under its own name.
 * @throws AssertionError with the faults for which it failed, and the reasons.
 */
export async function tryAll(
  kind: string,
  all: readonly Fault[][],
  trial: (name: string, faults: Fault[]) => Promise<void>,
  atATime = 3,
): Promise<void> {
  const failures: string[] = [];
  const waiting = all.entries();
  const lane = async () => {
    for (const [number, faults] of waiting) {
      const text = faults.map(({ how, step }) => `${how} at ${step}`).join(', ');
      await trial(`${kind}-${number}`, faults).catch(error => failures.push(`${text}: ${textOf(error)}`));
    }
  };
  await Promise.all(Array.from({ length: atATime }, lane));
  assert.deepEqual(failures, []);
}

// An assertion says what was different in the lines after its first.
const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
