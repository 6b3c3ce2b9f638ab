// Kills a process, or gives it an error, at a chosen step of its writes to files. It uses faulty-files.c.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compileLibrary } from './compile.ts';
import { findProgram } from './find-program.ts';
import { SeededRandom } from './seeded-random.ts';
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

/** The seed by which a run chooses among the steps that write one file. `scripts/test --seed` repeats a run. */
const stepSeed = Number(process.env.PROPERTY_SEED ?? randomInt(2 ** 31));

/**
 * Returns a kill between any two files, and one in the middle of each file: with an empty, a torn or a whole temporary file.
 * A kill before a sync leaves on the disk what a kill after it does, so it is left out.
 */
export function someKills(steps: readonly string[]): Fault[][] {
  const random = new SeededRandom(stepSeed);
  return groupByFile(steps).flatMap(([first = '', ...others]) => {
    const within = kills(others.filter(step => !step.startsWith('sync')));
    return [[{ step: first, how: 'kill' }], ...(within.length > 0 ? [random.pick(within)] : [])];
  });
}

/** Returns an error at one of the steps that write each file, and at any other step. The program treats all errors alike. */
export function someErrors(steps: readonly string[]): Fault[][] {
  const random = new SeededRandom(stepSeed);
  return groupByFile(steps).map(group => [{ step: random.pick(group), how: random.pick(errors) }]);
}

/**
 * Runs `trial` for each set of faults, a few at a time, each under its own name.
 * @throws AssertionError with the faults for which it failed, the reasons, and the seed of the steps.
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
  assert.deepEqual(failures, [], `the seed of the steps was ${stepSeed}:\n${failures.join('\n')}`);
}

/** Returns the sentence that a role prints when a file that it needs cannot be written because of `fault`. */
export function sentenceOf(fault: Fault | undefined): RegExp {
  const [why, what] =
    fault?.how === 'ENOSPC'
      ? ['no space left on the device', 'make room on its disk']
      : ['the disk reports an input/output error', 'free or unlock it'];
  return new RegExp(`^Error: cannot write /.*: ${why}\nHint:  ${what}, or .*\n$`);
}

/** Returns a fault for each way of being killed at one of `steps`: before it, and in the middle of a write. */
function kills(steps: readonly string[]): Fault[][] {
  return steps.flatMap(step => {
    const before: Fault = { step, how: 'kill' };
    return step.startsWith('write ') ? [[before], [{ step, how: 'torn' }]] : [[before]];
  });
}

/** Groups the steps that write one file: from its creation to the sync of its folder. Any other step is alone. */
function groupByFile(steps: readonly string[]): string[][] {
  const groups: string[][] = [];
  for (const step of steps) {
    const [what = '', file] = step.split(' ');
    const [begin, name] = groups.at(-1)?.[0]?.split(' ') ?? [];
    const isSame = what === 'sync-folder' || (file === name && ['write', 'sync', 'rename'].includes(what));
    if (begin === 'create' && isSame) groups.at(-1)?.push(step);
    else groups.push([step]);
  }
  return groups;
}

// An assertion says what was different in the lines after its first.
const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
