// Measures what the processes use: descriptors, memory and lines of their logs.
import { readdirSync } from 'node:fs';
import { memoryOf } from '../measure/processes.ts';
import type { Stage } from './stage.ts';

export interface Measure {
  name: string;
  pid: number;
  descriptors: number;
  memoryBytes: number;
  /** Number of log lines, as `ProcessLog` counts them. */
  logLines: number;
  /** Time of the measure, in milliseconds. */
  at: number;
}

/** Limits for one process. A process that leaks reaches them; a busy one does not. */
const limits = { moreDescriptors: 20, moreMemoryBytes: 150_000_000 };
/** Returns how many lines a process may write into its log in this time: some for each attack, and some for each second. */
const allowedLines = (ms: number): number => 300 + ms / 50;

export class Measures {
  readonly #stage: Stage;
  readonly #first = new Map<number, Measure>();
  readonly #before = new Map<string, Measure>();
  readonly most = { descriptors: 0, memoryBytes: 0, logLines: 0 };

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
      const before = this.#before.get(name) ?? { ...now, logLines: 0 };
      this.#before.set(name, now);
      this.#remember(now, now.logLines - before.logLines);
      return [
        ...(log?.faults.splice(0) ?? []).map(line => `${name} wrote into its log: ${line}`),
        ...complain(now, first, before, log?.mostFrequent() ?? ''),
      ];
    });
  }

  #remember(now: Measure, lines: number): void {
    this.most.descriptors = Math.max(this.most.descriptors, now.descriptors);
    this.most.memoryBytes = Math.max(this.most.memoryBytes, now.memoryBytes);
    this.most.logLines = Math.max(this.most.logLines, lines);
  }
}

function complain(now: Measure, first: Measure, before: Measure, messages: string): string[] {
  const complaints: string[] = [];
  if (now.descriptors > first.descriptors + limits.moreDescriptors)
    complaints.push(`${now.name} has ${now.descriptors} open files; it began with ${first.descriptors}`);
  if (now.memoryBytes > first.memoryBytes + limits.moreMemoryBytes)
    complaints.push(
      `${now.name} uses ${now.memoryBytes} bytes of memory; it began with ${first.memoryBytes}`,
    );
  const lines = now.logLines - before.logLines;
  if (lines > allowedLines(now.at - before.at))
    complaints.push(`${now.name} wrote ${lines} lines into its log since the last check: ${messages}`);
  return complaints;
}
