// Measures how late an agent's heartbeats are when every source of facts hangs, compared with an agent where none hangs.
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { defaultHeartbeatTopic, heartbeatSubject } from '../../agent/protocol/subjects.ts';
import type { Connection } from '../../agent/transport/port.ts';
import type { NatsServer } from '../support/nats-server.ts';
import { openConnection } from '../support/open-connection.ts';
import type { Program } from '../support/program.ts';
import { HungProbes } from './hung-probes.ts';
import { probeMissing } from './native-probe.ts';
import { startAgent, withRequester } from './roles.ts';
import { quantile } from './statistics.ts';
import type { Figure } from './table.ts';
import { newFolder } from './workplace.ts';

/** Time between two heartbeats, without jitter. */
const intervalMs = 250;
const frequencies = {
  heartbeatFrequency: `${intervalMs}ms`,
  resourceUpdateFrequency: '500ms',
  infoUpdateFrequency: '2s',
};
const settlingMs = 2_000;
const windowMs = 60_000;
/**
 * A reload makes the agent ask every source. The second reload comes after 15 s, when the agent has given the library up.
 */
const betweenReloadsMs = 17_000;

/** Measures both agents in the same minute. */
export function heartbeatLateness(): Promise<Figure[]> {
  return withRequester(async broker => {
    const probes = await HungProbes.in(await newFolder());
    const connection = await openConnection(broker.url, 'bench');
    const hung = await MeasuredAgent.start('hung', probes, broker, connection);
    const calm = await MeasuredAgent.start('calm', probes, broker, connection);
    try {
      await Promise.all([hung, calm].map(({ program }) => program.untilPrinted(/pending approval/)));
      await pause(settlingMs);
      const hanging = probes.hangFiles(hung.folder);
      const [late, usual] = await Promise.all([hung.lateness(), calm.lateness(), hanging]);
      const proof = await probes.proof();
      const began = performance.now();
      await hung.program.stop();
      return figures(late, usual, performance.now() - began, proof);
    } finally {
      await Promise.all([hung, calm].map(({ program }) => program.kill()));
      await connection.close();
    }
  });
}

function figures(late: number[], usual: number[], stop: number, proof: string): Figure[] {
  const p99 = (what: string, all: number[], beside: string): Figure => ({
    what,
    measured: quantile(all, 0.99),
    unit: 'milliseconds',
    beside: `the latest of ${all.length}: ${quantile(all, 1).toFixed(1)} ms; ${beside}`,
  });
  const without = probeMissing ? `; not NVML: the native probe ${probeMissing}` : '';
  return [
    {
      ...p99('agent: heartbeat lateness with every probe hung, p99', late, `hung: ${proof}${without}`),
      budget: { atMost: 50 },
    },
    p99('agent: heartbeat lateness with none hung, p99', usual, 'in the same minute, with as many reloads'),
    {
      what: 'agent: stop with every probe hung',
      measured: stop,
      unit: 'milliseconds',
      budget: { atMost: 5_000 },
    },
  ];
}

/** An agent, with the times at which its heartbeats arrive. */
class MeasuredAgent {
  readonly folder: string;
  readonly program: Program;
  #arrivals: number[] = [];
  #reload = false;

  static async start(
    id: 'hung' | 'calm',
    probes: HungProbes,
    broker: NatsServer,
    connection: Connection,
  ): Promise<MeasuredAgent> {
    const folder = await newFolder();
    const settings = { node: { id, nvmlLibrary: probes.nvmlLibrary }, compute: frequencies };
    const surroundings = id === 'hung' ? probes.hanging : probes.answering;
    const agent = new MeasuredAgent(
      folder,
      await startAgent(id, folder, broker, { settings, ...surroundings }),
    );
    connection.subscribe(heartbeatSubject(defaultHeartbeatTopic, id), () => agent.#onHeartbeat());
    return agent;
  }

  private constructor(folder: string, program: Program) {
    this.folder = join(folder, 'data');
    this.program = program;
  }

  /** Returns how late each heartbeat in the window was, in milliseconds, while the agent is reloaded again and again. */
  async lateness(): Promise<number[]> {
    const end = performance.now() + windowMs;
    this.#arrivals = this.#arrivals.slice(-1);
    for (let left = windowMs; left > 0; left = end - performance.now()) {
      this.#reload = true;
      await pause(Math.min(left, betweenReloadsMs));
    }
    return latenessOf(this.#arrivals, performance.now());
  }

  // A reload restarts the interval. It is done right after a heartbeat, so it does not move the next one.
  #onHeartbeat(): void {
    this.#arrivals.push(performance.now());
    if (this.#reload) this.program.signal('SIGHUP');
    this.#reload = false;
  }
}

/**
 * Returns how late each heartbeat was, when each is due one interval after the one before. A heartbeat that was left out
 * counts as well. Otherwise a long stop would be a single late heartbeat.
 */
function latenessOf(arrivals: readonly number[], end: number): number[] {
  return arrivals.flatMap((before, index) => {
    const next = arrivals[index + 1] ?? end;
    const late = [next - before - intervalMs];
    for (let more = late[0] ?? 0; more > intervalMs; more -= intervalMs) late.push(more - intervalMs);
    // The heartbeat after the last one is late only if it was due.
    return index + 1 < arrivals.length ? late : late.filter(value => value > 0);
  });
}
