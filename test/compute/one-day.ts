// Runs a whole agent for a day on a fake clock, with a survey of the real machine. Records what it sends and keeps open.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { queryObjects } from 'node:v8';
import { Survey, type SurveyOptions } from '../../agent/compute/survey/survey.ts';
import type { NodeInfo } from '../../agent/protocol/node-info.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { recordLog } from '../support/log-lines.ts';
import { steadyRandom } from '../support/steady-random.ts';
import { AgentBench, accepting, node } from './agent-bench.ts';

export interface Day {
  /** The longest time between two heartbeats, in milliseconds of the clock. */
  longestSilenceMs: number;
  beats: number;
  /** The node's conditions, each time that it reported others than before. */
  conditions: string[];
  /** The resources of the process. They are counted every three hours, because counting is slow. */
  holdings: Holdings[];
  /** Timers that are left after the stop. */
  timersLeft: number;
  /** Number of times that each warning and error was logged. */
  problems: Record<string, number>;
}

/** The resources that a process holds at one time. */
export interface Holdings {
  timers: number;
  promises: number;
  /** Numbers of the resources that keep Node's event loop alive, by kind. */
  resources: Record<string, number>;
  /** The number of threads by name; empty where the system does not list them. */
  threads: Record<string, number>;
}

export interface DayOptions {
  /** Number of file operations that hang and never end. The fake clock does not wait for them. */
  hungFiles?: number;
  /** Returns whether an answer is awaited that comes at once in real time; time waits for it. */
  isAnswerPending?: () => boolean;
  /** Runs once the node is approved, before anything is counted. */
  prepare?: (survey: Survey) => Promise<void>;
}

/** A fake clock that stands still while a file operation is under way, or another answer is pending. */
class WaitingClock extends FakeClock {
  hungFiles = 0;
  isAnswerPending = () => false;

  override async settle(): Promise<void> {
    do await super.settle();
    while (
      this.isAnswerPending() ||
      process.getActiveResourcesInfo().filter(name => /^(?:FSReq|CloseReq)/.test(name)).length >
        this.hungFiles
    );
  }
}

const hour = 3_600_000;
const step = 30_000;

/** Lets an agent live for a day, which takes some seconds, and returns what it did. */
export async function oneDay(
  options: Omit<SurveyOptions, 'node' | 'log' | 'clock'>,
  { hungFiles = 0, isAnswerPending = () => false, prepare = async () => undefined }: DayOptions = {},
): Promise<Day> {
  const clock = new WaitingClock();
  const { log, lines } = recordLog();
  const share = { percent: 80 };
  const offer = { allocatedCapacity: { cpu: share, memory: share, disk: share, gpu: share }, labels: {} };
  const survey = await passing(clock, Survey.open({ ...options, node, log, clock }, offer));
  const bench = new AgentBench(options.folder, accepting('APPROVED'), steadyRandom(0.5), {
    clock,
    survey,
  });
  await bench.startTo('approved');
  await passing(clock, prepare(survey));
  clock.hungFiles = hungFiles;
  clock.isAnswerPending = isAnswerPending;
  bench.forget();
  let last = clock.monotonic();
  const day: Day = {
    longestSilenceMs: 0,
    beats: 0,
    conditions: [],
    holdings: [],
    timersLeft: 0,
    problems: {},
  };
  for (let passed = 0; passed < 24 * hour; passed += step) {
    await clock.advance(step);
    await pause(1);
    for (const { at } of bench.beats) {
      day.longestSilenceMs = Math.max(day.longestSilenceMs, at - last);
      last = at;
    }
    day.longestSilenceMs = Math.max(day.longestSilenceMs, clock.monotonic() - last);
    day.beats += bench.beats.length;
    for (const { info } of bench.requests)
      if (info && conditionsOf(info) !== day.conditions.at(-1)) day.conditions.push(conditionsOf(info));
    for (const { level, message } of [...bench.lines, ...lines])
      if (level === 'warn' || level === 'error') day.problems[message] = (day.problems[message] ?? 0) + 1;
    bench.forget();
    lines.length = 0;
    if ((passed + step) % (3 * hour) === 0) day.holdings.push(holdingsOf(clock));
  }
  await passing(clock, bench.agent.stop());
  await survey.close();
  day.timersLeft = clock.pending;
  return day;
}

/** Runs `file` as a process and returns the day that it prints: then threads and promises are the agent's alone. */
export async function dayOf<T extends Day>(file: URL, args: string[], env = {}): Promise<T> {
  const words = ['--disable-warning=ExperimentalWarning', fileURLToPath(file), ...args];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, words, {
    env: { ...process.env, ...env },
  });
  assert.equal(stderr, '');
  return JSON.parse(stdout);
}

/** Asserts that nothing leaked: the second half of the day holds no more than the first. */
export function assertNothingLeaked({ holdings }: Day): void {
  const half = holdings.length / 2;
  const [early, late] = [holdings.slice(0, half), holdings.slice(half)];
  // The median leaves out the moments in which something is under way.
  const median = (some: Holdings[], count: (holdings: Holdings) => number) =>
    some.map(count).sort((a, b) => a - b)[some.length >> 1] ?? Number.NaN;
  const assertSame = (what: string, count: (holdings: Holdings) => number, slack = 0) => {
    const [before, after] = [median(early, count), median(late, count)];
    assert.ok(after <= before + slack, `${what}: ${before} in the first half, ${after} in the second`);
  };
  // A leak of one in an hour would make a difference of twelve.
  assertSame('timers', ({ timers }) => timers, 2);
  assertSame('promises', ({ promises }) => promises, 6);
  assertSame('resources', ({ resources }) => total(resources), 1);
  assertSame('threads', ({ threads }) => total(threads));
}

const total = (counts: Record<string, number>) =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

/** Lets the clock go on until `work` has ended. */
async function passing<T>(clock: FakeClock, work: Promise<T>): Promise<T> {
  let over = false;
  const ending = work.finally(() => {
    over = true;
  });
  while (!over) {
    await clock.advance(100);
    await pause(1);
  }
  return ending;
}

const conditionsOf = (info: NodeInfo): string =>
  (info.Conditions ?? []).map(({ Type, Reason }) => `${Type}: ${Reason}`).join('\n');

function holdingsOf(clock: FakeClock): Holdings {
  return {
    timers: clock.pending,
    promises: Number(queryObjects(Promise, { format: 'count' })),
    resources: counted(process.getActiveResourcesInfo()),
    threads: counted(process.platform === 'linux' ? threadNames() : []),
  };
}

function threadNames(): string[] {
  return readdirSync('/proc/self/task').map(id =>
    readFileSync(`/proc/self/task/${id}/comm`, 'latin1').trim(),
  );
}

function counted(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of [...names].sort()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
