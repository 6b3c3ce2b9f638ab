// Recorded machines, and machines made up for one test.
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

export const recorded = (name: string): Promise<Recording> => openRecording(join(machinesFolder, name));

export interface Pretended {
  answers?: Record<string, unknown>;
  faults?: Record<string, Fault>;
  system?: Partial<OsInfo>;
  took?: Record<string, number>;
}

/** A machine that answers these questions, named as in a recording, and no others. */
export function pretended({ answers = {}, faults = {}, system = {}, took = {} }: Pretended): Recording {
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

export const pretend = (machine: Pretended): Replay => new Replay(pretended(machine));

/** What a tool printed. */
export const printed = (stdout: string, status = 0) => ({
  program: '/usr/bin/tool',
  status,
  stdout,
  stderr: '',
});
