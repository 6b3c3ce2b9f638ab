// Runs the campaign against a cluster: one fault after the other, while operators decide at both requesters. After each fault
// everything must be as the acknowledged decisions made it.
import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '../../support/eventually.ts';
import { sites } from '../../support/nats-sites.ts';
import { processesNaming } from '../../support/processes.ts';
import { SeededRandom } from '../../support/seeded-random.ts';
import type { Entrance } from '../../support/simulated-node.ts';
import { Crowd } from '../crowd.ts';
import { Decisions } from '../decisions.ts';
import { Model } from '../model.ts';
import { Canaries } from './canaries.ts';
import { checkCalm } from './checks.ts';
import { type Fault, faults } from './faults.ts';
import { DecisionTimes, figureLines, type RoundFigures } from './figures.ts';
import { ClusterStage, disconnectedAfterMs } from './stage.ts';
import { Witness } from './witness.ts';

export interface ClusterCampaignOptions {
  seed: number;
  /** Called before each round. The campaign ends when it returns false. */
  goOn(round: number): boolean;
  /** The names of the faults. */
  names: readonly string[];
  agents: number;
  simulatedNodes: number;
  /** How long each kind of fault lasts, in milliseconds. */
  lastsMs?: Record<Fault['lasts'], number>;
  onProgress(text: string): void;
}

/** What a campaign found. */
export interface ClusterVerdict {
  /** What was wrong; undefined when nothing was. */
  fault?: string;
  /** The folder with the logs, which is left after a fault. */
  folder?: string;
  lines: string[];
}

const usualLastsMs: Record<Fault['lasts'], number> = {
  'a moment': 5_000,
  'longer than a lease': 15_000,
  'a minute': 60_000,
};

const besideMs = 2_000;

export async function runClusterCampaign(options: ClusterCampaignOptions): Promise<ClusterVerdict> {
  const stage = await ClusterStage.create(options.agents);
  const campaign = new ClusterCampaign(stage, options);
  let fault: string | undefined;
  try {
    await campaign.run();
  } catch (error) {
    fault = `${campaign.doing}: ${error instanceof Error ? error.message : error}`;
  }
  await campaign.release(fault !== undefined);
  const left = await processesNaming(stage.cluster.folder);
  if (left !== '') fault ??= `processes are left at the end:\n${left}`;
  return {
    ...(fault === undefined ? {} : { fault, folder: stage.cluster.folder }),
    lines: campaign.lines(),
  };
}

class ClusterCampaign {
  readonly #stage: ClusterStage;
  readonly #options: ClusterCampaignOptions;
  readonly #model = new Model();
  readonly #times = new DecisionTimes();
  readonly #decisions: Decisions;
  readonly #compared = new Set<string>();
  readonly #rounds: RoundFigures[] = [];
  #witness: Witness | undefined;
  #crowd: Crowd | undefined;
  #canaries: Canaries | undefined;
  #fault: string | undefined;
  #events = 0;
  /** What the campaign does now, for the report of a fault. */
  doing = 'at the start';

  constructor(stage: ClusterStage, options: ClusterCampaignOptions) {
    this.#stage = stage;
    this.#options = options;
    this.#decisions = new Decisions({
      model: this.#model,
      random: new SeededRandom(options.seed),
      apis: stage.requesters.map(each => each.api),
      command: (...args) => stage.command(...args),
      bringBack: id => this.#bringBack(id),
      onDecided: decided => this.#times.add(decided),
      onFault: fault => {
        this.#fault ??= fault;
      },
    });
  }

  async run(): Promise<void> {
    const { seed, names, goOn, onProgress } = this.#options;
    await this.#start();
    await this.#check();
    this.#decisions.start();
    for (const [index, name] of planFaults(seed, names)) {
      if (!goOn(index)) break;
      this.doing = `round ${index}: ${name}`;
      onProgress(this.doing);
      await this.#round(name, faults[name] as Fault);
    }
  }

  /** Ends everything. It leaves the folder with the logs if `keep` is true. */
  async release(keep: boolean): Promise<void> {
    await this.#decisions.stop();
    await this.#canaries?.stop();
    await this.#crowd?.stop();
    await this.#witness?.close();
    await this.#stage.release(keep);
  }

  lines(): string[] {
    const { counts } = this.#decisions;
    const figures: [string, number][] = [
      ['rounds', this.#rounds.length],
      ['decisions acknowledged', counts.done],
      ['decisions refused', counts.refused],
      ['decisions without an answer, which may stand', counts.unknown],
      ['decisions that no requester took', counts.notSent],
      ['decisions by the command', counts.byCommand],
      ['events', this.#events],
    ];
    return [...figureLines(this.#rounds), ...figures.map(([what, figure]) => `${what.padEnd(46)} ${figure}`)];
  }

  async #start(): Promise<void> {
    const stage = this.#stage;
    for (const each of stage.requesters) await each.start();
    for (const each of stage.requesters) await each.untilReady();
    const joinToken = await stage.newJoinToken();
    const entranceOf = (index: number): Entrance => ({
      servers: stage.nats.urlsAt(index % sites.length),
      joinToken,
    });
    const members = Array.from(
      { length: this.#options.simulatedNodes },
      (_, index) => `member-${String(index).padStart(3, '0')}`,
    );
    const witness = new Witness(sites.map(site => stage.connectWitness(site)));
    this.#witness = witness;
    for (const id of stage.agentIds) this.#model.add(id, true);
    for (const id of members) this.#model.add(id, false);
    this.#crowd = new Crowd(entranceOf, this.#model, members);
    await this.#crowd.start();
    const canaries = new Canaries(entranceOf, 4 * disconnectedAfterMs);
    this.#canaries = canaries;
    witness.onEvent = (node, kind) => {
      if (kind === 'unhealthy') canaries.onUnhealthy(node);
    };
    await canaries.start();
    for (const id of stage.agentIds) await stage.startAgent(id);
    await eventually(
      'all agents are on the roll',
      async () => {
        const nodes = await stage.requesters[0].nodes();
        return stage.agentIds.every(id => nodes.some(node => node.Info.NodeID === id));
      },
      90_000,
    );
  }

  async #round(name: string, { lasts, needs, begin }: Fault): Promise<void> {
    const { lastsMs = usualLastsMs, onProgress } = this.#options;
    if (needs === 'disks' && !this.#stage.disk('server 0')) {
      onProgress('left out: no disk can be mounted here');
      return;
    }
    // Decisions go on for a moment before the fault and after it.
    await pause(besideMs);
    this.#times.begin(performance.now());
    const begun = await begin(this.#stage);
    const beganAt = performance.now();
    const witness = this.#witness as Witness;
    witness.minority = begun.minority;
    await pause(lastsMs[lasts]);
    const without = begun.without ?? [];
    for (const place of without) await this.#untilNoQuorum(place);
    const undoAt = performance.now();
    this.#expectNothingDecided(without, beganAt, undoAt);
    await begun.undo();
    witness.minority = undefined;
    const endedAt = performance.now();
    await eventually('a decision is made again', () => this.#times.isDecidedAfter(endedAt), 120_000);
    await pause(besideMs);
    const hasQuorum = without.length < this.#stage.requesters.length;
    const withoutDecisionsMs = this.#times.longestGap();
    const lateMs = await this.#check();
    const healedMs = hasQuorum ? undefined : this.#times.firstAfter(undoAt);
    this.#rounds.push({ fault: name, withoutDecisionsMs, healedMs, lateMs });
    onProgress(
      `  without decisions ${Math.round(withoutDecisionsMs)} ms, verdicts late by up to ${Math.round(Math.max(0, ...lateMs))} ms`,
    );
  }

  /** Resolves once a requester that runs says that its store has no quorum. */
  async #untilNoQuorum(place: number): Promise<void> {
    const requester = this.#stage.requesters[place];
    await eventually(`${requester?.id} says that it has no quorum`, async () => {
      const status = await requester?.status();
      return status?.troubles?.some(({ code }) => code === 'no_quorum') === true;
    });
  }

  #expectNothingDecided(without: readonly number[], from: number, to: number): void {
    const names = without.map(place => this.#stage.requesters[place]?.api.requester ?? '');
    const done = this.#times.doneBetween(names, from, to);
    if (done) throw new Error(`${done.requester} acknowledged a decision without a quorum`);
  }

  async #check(): Promise<number[]> {
    await this.#decisions.pause();
    const { lateMs, events } = await checkCalm({
      stage: this.#stage,
      crowd: this.#crowd as Crowd,
      model: this.#model,
      witness: this.#witness as Witness,
      compared: this.#compared,
    });
    this.#events = events;
    const faulty = [...this.#stage.logs.values()].flatMap(log => {
      log.update();
      return log.faults.splice(0).map(line => `${log.name} wrote into its log: ${line}`);
    });
    if (this.#fault !== undefined) throw new Error(this.#fault);
    if (faulty.length > 0) throw new Error(faulty.join('\n'));
    this.#decisions.resume();
    return lateMs;
  }

  async #bringBack(id: string): Promise<void> {
    if (this.#stage.agentIds.includes(id)) await this.#stage.registerAgent(id);
    else await this.#crowd?.bringBack(id);
  }
}

/** Returns endless rounds with their numbers. Each fault comes once before any comes twice. */
export function* planFaults(seed: number, names: readonly string[]): Generator<[number, string], never> {
  const random = new SeededRandom(seed);
  let deck: string[] = [];
  for (let number = 1; ; number++) {
    if (deck.length === 0) deck = random.shuffle(names);
    yield [number, deck.shift() as string];
  }
}
