// A day of a whole agent on a fake clock, its survey of a real machine included: what it sends, and what it holds.
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
  /** Milliseconds of the clock between two heartbeats at most. */
  longestSilence: number;
  beats: number;
  /** The node's conditions as it told them, each time that they were others than before. */
  conditions: string[];
  /** Every three hours: to count is slow. */
  held: Held[];
  /** Timers that were left when it had stopped. */
  timersLeft: number;
  /** Warnings and errors of its log, by how often each came. */
  complaints: Record<string, number>;
}

/** What a process holds. */
export interface Held {
  timers: number;
  promises: number;
  /** What keeps Node's event loop alive, by kind. */
  resources: Record<string, number>;
  /** By name; none where the system does not tell. */
  threads: Record<string, number>;
}

export interface Morning {
  hung?: number;
  morning?: (survey: Survey) => Promise<void>;
}

/** Files are real, and what they take is none of the fake time. */
class WaitingClock extends FakeClock {
  hung = 0;

  override async settle(): Promise<void> {
    do await super.settle();
    while (
      process.getActiveResourcesInfo().filter(name => /^(?:FSReq|CloseReq)/.test(name)).length > this.hung
    );
  }
}

const hour = 3_600_000;
const step = 30_000;

/**
 * Lives it in some seconds. Time stands still while a file answers, but for as many as `hung`, which never do. `morning` is waited
 * for, once the node is approved, before anything counts.
 */
export async function oneDay(
  options: Omit<SurveyOptions, 'node' | 'log' | 'clock'>,
  { hung = 0, morning = async () => undefined }: Morning = {},
): Promise<Day> {
  const clock = new WaitingClock();
  const { log, lines } = recordLog();
  const share = { percent: 80 };
  const offer = { allocatedCapacity: { cpu: share, memory: share, disk: share, gpu: share }, labels: {} };
  const survey = await passing(clock, Survey.open({ ...options, node, log, clock }, offer));
  const bench = new AgentBench(options.folder, accepting('APPROVED'), steadyRandom(0.5), {
    clock,
    machine: survey,
  });
  await bench.startTo('approved');
  await passing(clock, morning(survey));
  clock.hung = hung;
  bench.forget();
  let last = clock.monotonic();
  const day: Day = { longestSilence: 0, beats: 0, conditions: [], held: [], timersLeft: 0, complaints: {} };
  for (let passed = 0; passed < 24 * hour; passed += step) {
    await clock.advance(step);
    await pause(1);
    for (const { at } of bench.beats) {
      day.longestSilence = Math.max(day.longestSilence, at - last);
      last = at;
    }
    day.longestSilence = Math.max(day.longestSilence, clock.monotonic() - last);
    day.beats += bench.beats.length;
    for (const { info } of bench.requests)
      if (info && conditionsOf(info) !== day.conditions.at(-1)) day.conditions.push(conditionsOf(info));
    for (const { level, message } of [...bench.lines, ...lines])
      if (level === 'warn' || level === 'error') day.complaints[message] = (day.complaints[message] ?? 0) + 1;
    bench.forget();
    lines.length = 0;
    if ((passed + step) % (3 * hour) === 0) day.held.push(held(clock));
  }
  await passing(clock, bench.agent.stop());
  await survey.close();
  day.timersLeft = clock.pending;
  return day;
}

/** What the process `file` with `args` tells of its day. In a process of its own, threads and promises are those of the agent. */
export async function dayOf<T extends Day>(file: URL, args: string[], env = {}): Promise<T> {
  const words = ['--disable-warning=ExperimentalWarning', fileURLToPath(file), ...args];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, words, {
    env: { ...process.env, ...env },
  });
  assert.equal(stderr, '');
  return JSON.parse(stdout);
}

/** Throws where something piled up: later no more may be held than before. */
export function assertNothingPiledUp({ held }: Day): void {
  const half = held.length / 2;
  const [early, late] = [held.slice(0, half), held.slice(half)];
  // Now and then something is on its way; usually nothing is.
  const usual = (some: Held[], count: (held: Held) => number) =>
    some.map(count).sort((a, b) => a - b)[some.length >> 1] ?? Number.NaN;
  const same = (what: string, count: (held: Held) => number, slack = 0) => {
    const [before, after] = [usual(early, count), usual(late, count)];
    assert.ok(after <= before + slack, `${what}: ${before} in the morning, ${after} in the evening`);
  };
  // A leak of one an hour would be twelve.
  same('timers', ({ timers }) => timers, 2);
  same('promises', ({ promises }) => promises, 6);
  same('resources', ({ resources }) => total(resources), 1);
  same('threads', ({ threads }) => total(threads));
}

const total = (counts: Record<string, number>) =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

/** Lets time pass until `work` has ended. */
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

function held(clock: FakeClock): Held {
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
