// Measures what the processes use: descriptors, memory and lines of their logs.
import { readdirSync } from 'node:fs';
import { memoryOf } from '../measure/processes.ts';
import type { Stage } from './stage.ts';

export interface Measure {
  name: string;
  pid: number;
  descriptors: number;
  memoryBytes: number;
  logLines: number;
  /** Time of the measure in milliseconds, for the lines in a minute. */
  at: number;
}

/** Limits for one process. A process that leaks reaches them; a busy one does not. */
const limits = { moreDescriptors: 20, moreMemoryBytes: 150_000_000, logLinesPerMinute: 3_000 };

export class Measures {
  readonly #stage: Stage;
  readonly #first = new Map<number, Measure>();
  readonly #before = new Map<string, Measure>();
  readonly most = { descriptors: 0, memoryBytes: 0, logLinesPerMinute: 0 };

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  /** Measures all processes. Returns what has grown too much since the first measure of a process. */
  take(): string[] {
    return this.#stage.programs.flatMap(([name, program]) => {
      const log = this.#stage.logs.get(name);
      log?.update();
      const { pid } = program;
      const now: Measure = {
        name,
        pid,
        descriptors: readdirSync(`/proc/${pid}/fd`).length,
        memoryBytes: memoryOf(pid).anonymousBytes,
        logLines: log?.lines ?? 0,
        at: performance.now(),
      };
      const first = this.#first.get(pid) ?? now;
      this.#first.set(pid, first);
      const before = this.#before.get(name) ?? { ...now, logLines: 0, at: 0 };
      this.#before.set(name, now);
      const perMinute = ((now.logLines - before.logLines) / (now.at - before.at || 1)) * 60_000;
      this.#remember(now, perMinute);
      return [
        ...(log?.faults.splice(0) ?? []).map(line => `${name} wrote into its log: ${line}`),
        ...complain(now, first, perMinute, log?.mostFrequent() ?? ''),
      ];
    });
  }

  #remember(now: Measure, perMinute: number): void {
    this.most.descriptors = Math.max(this.most.descriptors, now.descriptors);
    this.most.memoryBytes = Math.max(this.most.memoryBytes, now.memoryBytes);
    this.most.logLinesPerMinute = Math.max(this.most.logLinesPerMinute, perMinute);
  }
}

function complain(now: Measure, first: Measure, perMinute: number, lines: string): string[] {
  const complaints: string[] = [];
  if (now.descriptors > first.descriptors + limits.moreDescriptors)
    complaints.push(`${now.name} has ${now.descriptors} open files; it began with ${first.descriptors}`);
  if (now.memoryBytes > first.memoryBytes + limits.moreMemoryBytes)
    complaints.push(
      `${now.name} uses ${now.memoryBytes} bytes of memory; it began with ${first.memoryBytes}`,
    );
  if (perMinute > limits.logLinesPerMinute)
    complaints.push(`${now.name} wrote ${Math.round(perMinute)} lines a minute into its log: ${lines}`);
  return complaints;
}
