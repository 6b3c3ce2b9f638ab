// How late an agent's heartbeats are when all that it asks about its machine hangs, beside an agent where nothing does.
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

/** Milliseconds between two heartbeats, without jitter. */
const interval = 250;
const frequencies = {
  heartbeatFrequency: `${interval}ms`,
  resourceUpdateFrequency: '500ms',
  infoUpdateFrequency: '2s',
};
const settling = 2_000;
const window = 60_000;
/** A reload asks every source; the second one comes after the library was given up, 15 s from the start. */
const betweenReloads = 17_000;

export function heartbeatLateness(): Promise<Figure[]> {
  return withRequester(async broker => {
    const probes = await HungProbes.in(await newFolder());
    const connection = await openConnection(broker.url, 'bench');
    const hung = await Heard.start('hung', probes, broker, connection);
    const calm = await Heard.start('calm', probes, broker, connection);
    try {
      await Promise.all([hung, calm].map(({ program }) => program.untilPrinted(/pending approval/)));
      await pause(settling);
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
    p99('agent: heartbeat lateness with none hung, p99', usual, 'in the same minute, with as many looks'),
    {
      what: 'agent: stop with every probe hung',
      measured: stop,
      unit: 'milliseconds',
      budget: { atMost: 5_000 },
    },
  ];
}

/** An agent, and when its heartbeats come. */
class Heard {
  readonly folder: string;
  readonly program: Program;
  #arrivals: number[] = [];
  #reload = false;

  static async start(
    id: 'hung' | 'calm',
    probes: HungProbes,
    broker: NatsServer,
    connection: Connection,
  ): Promise<Heard> {
    const folder = await newFolder();
    const settings = { node: { id, nvmlLibrary: probes.nvmlLibrary }, compute: frequencies };
    const surroundings = id === 'hung' ? probes.hanging : probes.answering;
    const heard = new Heard(folder, await startAgent(id, folder, broker, { settings, ...surroundings }));
    connection.subscribe(heartbeatSubject(defaultHeartbeatTopic, id), () => heard.#beat());
    return heard;
  }

  private constructor(folder: string, program: Program) {
    this.folder = join(folder, 'data');
    this.program = program;
  }

  /** Milliseconds by which each heartbeat of the window was late, while the agent is told to look again and again. */
  async lateness(): Promise<number[]> {
    const end = performance.now() + window;
    this.#arrivals = this.#arrivals.slice(-1);
    for (let left = window; left > 0; left = end - performance.now()) {
      this.#reload = true;
      await pause(Math.min(left, betweenReloads));
    }
    return latenessOf(this.#arrivals, performance.now());
  }

  // A reload starts the wait anew: only right after a heartbeat does that not move the next one.
  #beat(): void {
    this.#arrivals.push(performance.now());
    if (this.#reload) this.program.signal('SIGHUP');
    this.#reload = false;
  }
}

/** Each heartbeat is due one interval after the one before; those that were left out count, or a stop would be one late one. */
function latenessOf(arrivals: readonly number[], end: number): number[] {
  return arrivals.flatMap((before, index) => {
    const next = arrivals[index + 1] ?? end;
    const late = [next - before - interval];
    for (let more = late[0] ?? 0; more > interval; more -= interval) late.push(more - interval);
    // The last one is not late before it is due.
    return index + 1 < arrivals.length ? late : late.filter(value => value > 0);
  });
}
