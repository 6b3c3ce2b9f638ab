// Gives tests the recorded machines, and fake machines that answer what a test says.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Fault, OsInfo } from '../../agent/host/inputs/inputs.ts';
import { openRecording, type Recording } from '../../agent/host/recording/recording.ts';
import { Replay } from '../../agent/host/recording/replay.ts';

export const machinesFolder = fileURLToPath(new URL('../fixtures/machines/', import.meta.url));

export const machineNames: readonly string[] = readdirSync(machinesFolder, { withFileTypes: true })
  .filter(entry => entry.isDirectory())
  .map(entry => entry.name)
  .sort();

/** Loads a recorded machine of test/fixtures/machines. */
export const loadMachine = (name: string): Promise<Recording> => openRecording(join(machinesFolder, name));

/** The answers and faults of a fake machine, by question as in a recording. */
export interface FakeMachine {
  answers?: Record<string, unknown>;
  faults?: Record<string, Fault>;
  system?: Partial<OsInfo>;
  took?: Record<string, number>;
}

/** Returns the recording of a machine that answers these questions and no others. */
export function fakeRecording({ answers = {}, faults = {}, system = {}, took = {} }: FakeMachine): Recording {
  return {
    recordedAt: '2026-01-01T00:00:00.000Z',
    system: {
      platform: 'linux',
      arch: 'x64',
      hostname: 'worker-7',
      release: '6.12.0',
      cpus: 8,
      cpuModel: 'AMD EPYC',
      usableCpus: 8,
      memory: 8 * 2 ** 30,
      ...system,
    },
    answers,
    faults,
    took,
  };
}

/** Returns inputs that answer these questions and no others. */
export const fakeMachine = (machine: FakeMachine): Replay => new Replay(fakeRecording(machine));

/** Returns the answer of a tool that printed `stdout`. */
export const toolOutput = (stdout: string, status = 0) => ({
  program: '/usr/bin/tool',
  status,
  stdout,
  stderr: '',
});
