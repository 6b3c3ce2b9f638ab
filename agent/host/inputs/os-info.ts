// Reads the data of Node's `os` module.
import os from 'node:os';
import type { OsInfo } from './inputs.ts';

/** Reads the data of Node's `os` module. It never waits. */
export function readOsInfo(): OsInfo {
  const cpus = os.cpus();
  return {
    platform: process.platform,
    arch: process.arch,
    hostname: os.hostname(),
    release: os.release(),
    // Without /proc there is no list of CPUs.
    cpus: cpus.length || os.availableParallelism(),
    cpuModel: cpus[0]?.model ?? '',
    usableCpus: os.availableParallelism(),
    memory: os.totalmem(),
  };
}
