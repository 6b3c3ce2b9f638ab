// Processes that are killed, or meet an error, at one step of their writes to files, see faulty-files.c.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { reasonOf } from '../../agent/system/errors.ts';
import { compileLibrary } from './compile.ts';
import { findProgram } from './find-program.ts';
import { newFolder } from './temporary.ts';

/** Why no process can be made to fail here; undefined when it can. */
export async function noFaults(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'what makes writes fail is preloaded as Linux does it';
  return findProgram('cc').then(
    () => undefined,
    () => 'there is no C compiler to build what makes writes fail',
  );
}

/** What happens at a step in its place. */
export type How = 'kill' | 'torn' | 'ENOSPC' | 'EIO';

/** Errors of the system that any write may meet. */
export const errors = ['ENOSPC', 'EIO'] as const;
const numbers: Readonly<Record<string, number>> = { ENOSPC: 28, EIO: 5 };

/** A step is as the list of them has it, such as `rename node.yaml 1`. */
export interface Fault {
  step: string;
  how: How;
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

  /** For the environment of a process whose writes below `folder` are listed under `name`, and fail as told. */
  environment(name: string, folder: string, faults: readonly Fault[] = []): Record<string, string> {
    return {
      LD_PRELOAD: this.#library,
      FAULTS_IN: folder,
      FAULTS_LOG: join(this.#logs, name),
      FAULT: faults.map(({ step, how }) => `${step} ${numbers[how] ?? how}`).join(';'),
      // What the kernel does for it by itself cannot be met.
      UV_USE_IO_URING: '0',
    };
  }

  /** The steps that the process under `name` took, in order. */
  async steps(name: string): Promise<string[]> {
    const text = await readFile(join(this.#logs, name), 'utf8').catch(() => '');
    return text.split('\n').filter(Boolean);
  }
}

/** Everything that can happen when a process is killed at one of `steps`: before it, and in the middle of a write. */
export function kills(steps: readonly string[]): Fault[][] {
  return steps.flatMap(step => {
    const before: Fault = { step, how: 'kill' };
    return step.startsWith('write ') ? [[before], [{ step, how: 'torn' }]] : [[before]];
  });
}

/** Runs `trial` for each set of faults, some at a time, under a name of its own; says of which ones it failed, and why. */
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
      await trial(`${kind}-${number}`, faults).catch(error => failures.push(`${text}: ${reasonOf(error)}`));
    }
  };
  await Promise.all(Array.from({ length: atATime }, lane));
  assert.deepEqual(failures, []);
}
