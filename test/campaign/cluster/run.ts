// Runs the campaign against a cluster: one fault after the other, while operators decide at both requesters. After each fault
// everything must be as the acknowledged decisions made it.
import { setTimeout as pause } from 'node:timers/promises';
import type { TroubleCode } from '../../../agent/system/trouble.ts';
import { eventually } from '../../support/eventually.ts';
import { sites } from '../../support/nats-sites.ts';
import { SeededRandom } from '../../support/seeded-random.ts';
import type { Entrance } from '../../support/simulated-node.ts';
import { Crowd, memberIds } from '../crowd.ts';
import { Decisions } from '../decisions.ts';
import { Model } from '../model.ts';
import { type Concluded, conclude, decisionFigures, type Verdict } from '../verdict.ts';
import { Canaries } from './canaries.ts';
import { checkCalm } from './checks.ts';
import type { Fault } from './fault.ts';
import { faults } from './faults.ts';
import { DecisionTimes, figureLines, type RoundFigures } from './figures.ts';
import type { Requester } from './requester.ts';
import { ClusterStage, disconnectedAfterMs } from './stage.ts';
import { Witness } from './witness.ts';

export interface ClusterCampaignOptions {
  seed: number;
  agents: number;
  simulatedNodes: number;
  /** How long each kind of fault lasts, in milliseconds. */
  lastsMs?: Record<Fault['lasts'], number>;
  /** How long decisions go on before and after each fault, in milliseconds. */
  besideMs?: number;
  onProgress(text: string): void;
}

export interface ClusterRunOptions extends ClusterCampaignOptions {
  /** Called before each round. The campaign ends when it returns false. */
  goOn(round: number): boolean;
  /** The names of the faults. */
  names: readonly string[];
}

/** What a campaign found, and the lines of its table. */
export interface ClusterVerdict extends Verdict {
  lines: string[];
}

const usualBesideMs = 2_000;
/** Time within which a requester must say what is wrong, in milliseconds. Servers that are busy may take a minute to notice it. */
const untilSaidMs = 120_000;
const usualLastsMs: Record<Fault['lasts'], number> = {
  'a moment': 5_000,
  'longer than a lease': 15_000,
  'a minute': 60_000,
};

/** Carries out one fault after the other, each once before any comes twice, and tells what was wrong. */
export async function runClusterCampaign(options: ClusterRunOptions): Promise<ClusterVerdict> {
  const { seed, names, goOn } = options;
  const campaign = await ClusterCampaign.make(options);
  const verdict = await conclude(campaign, async () => {
    await campaign.start();
    for (const [number, name] of planFaults(seed, names)) {
      if (!goOn(number)) break;
      await campaign.round(name);
    }
  });
  return { ...verdict, lines: campaign.lines() };
}

/** A cluster with operators who decide all the time. A caller attacks it round by round, and releases it. */
export class ClusterCampaign implements Concluded {
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
  #number = 0;
  doing = 'at the start';

  /** Makes the stage, and starts only the servers. */
  static async make(options: ClusterCampaignOptions): Promise<ClusterCampaign> {
    return new ClusterCampaign(await ClusterStage.create(options.agents), options);
  }

  private constructor(stage: ClusterStage, options: ClusterCampaignOptions) {
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

  get folder(): string {
    return this.#stage.cluster.folder;
  }

  /** Starts requesters, nodes and operators. @throws Error with what is wrong. */
  async start(): Promise<void> {
    await this.#startNodes();
    await this.#check();
    this.#decisions.start();
  }

  /** Carries out one fault, and checks everything after it. @throws Error with what is wrong. */
  async round(name: string): Promise<void> {
    const { onProgress } = this.#options;
    const fault = faults[name];
    if (!fault) throw new Error(`there is no fault '${name}'`);
    this.doing = `round ${++this.#number}: ${name}`;
    onProgress(this.doing);
    if (fault.needs === 'disks' && !this.#stage.disk('server 0'))
      onProgress('  left out: no disk can be mounted here');
    else await this.#round(name, fault);
  }

  async release(keep: boolean): Promise<void> {
    await this.#decisions.stop();
    await this.#canaries?.stop();
    await this.#crowd?.stop();
    await this.#witness?.close();
    await this.#stage.release(keep);
  }

  lines(): string[] {
    const figures: [string, number][] = [
      ['rounds', this.#rounds.length],
      ...decisionFigures(this.#decisions),
      ['events', this.#events],
    ];
    return [...figureLines(this.#rounds), ...figures.map(([what, figure]) => `${what.padEnd(46)} ${figure}`)];
  }

  async #startNodes(): Promise<void> {
    const stage = this.#stage;
    for (const each of stage.requesters) await each.start();
    for (const each of stage.requesters) await each.untilReady();
    const joinToken = await stage.newJoinToken();
    const entranceOf = (index: number): Entrance => ({
      servers: stage.nats.urlsAt(index % sites.length),
      joinToken,
    });
    const members = memberIds(this.#options.simulatedNodes);
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
        const nodes = await stage.requesters[0].nodes().catch(() => []);
        return stage.agentIds.every(id => nodes.some(node => node.Info.NodeID === id));
      },
      90_000,
    );
  }

  async #round(name: string, { lasts, begin }: Fault): Promise<void> {
    const { lastsMs = usualLastsMs, besideMs = usualBesideMs, onProgress } = this.#options;
    // Decisions go on for a moment before the fault and after it.
    await pause(besideMs);
    this.#times.begin(performance.now());
    const begun = await begin(this.#stage, () => this.#decisions.pause());
    const beganAt = performance.now();
    const witness = this.#witness as Witness;
    if (begun.minority !== undefined) witness.cutOff(begun.minority);
    await pause(lastsMs[lasts]);
    const without = begun.without ?? [];
    for (const place of without) await this.#untilSaid(['no_quorum'], [place]);
    if (begun.says !== undefined) await this.#untilSaid(begun.says, [0, 1], begun.isHarmless);
    const undoAt = performance.now();
    this.#expectNothingDecided(without, beganAt, undoAt);
    await begun.undo();
    this.#decisions.resume();
    witness.open();
    const endedAt = performance.now();
    this.doing += ', after its end';
    await eventually('a decision is made again', () => this.#times.isDecidedAfter(endedAt), 120_000);
    await pause(besideMs);
    const hasQuorum = without.length < this.#stage.requesters.length;
    const withoutDecisionsMs = this.#times.longestGap();
    const { lateMs, heldMs } = await this.#check();
    const healedMs = hasQuorum ? undefined : this.#times.firstAfter(undoAt);
    const { tookOverMs } = begun;
    this.#rounds.push({ fault: name, withoutDecisionsMs, healedMs, tookOverMs, heldMs, lateMs });
    const takeover = tookOverMs === undefined ? '' : `, watched again after ${Math.round(tookOverMs)} ms`;
    onProgress(
      `  without decisions ${Math.round(withoutDecisionsMs)} ms${takeover}, verdicts late by up to ${Math.round(Math.max(0, ...lateMs))} ms`,
    );
  }

  /** Resolves once one of these requesters names a trouble, or there is nothing to tell. */
  async #untilSaid(
    troubles: readonly TroubleCode[],
    places: readonly number[],
    isHarmless: () => Promise<boolean> = async () => false,
  ): Promise<void> {
    const requesters = places.map(place => this.#stage.requesters[place]);
    const names = requesters.map(each => each?.id).join(' or ');
    const says = async (each: Requester | undefined) =>
      (await each?.status())?.troubles?.some(({ code }) => troubles.includes(code)) === true;
    await eventually(
      `${names} says ${troubles.join(' or ')}`,
      async () => (await Promise.all(requesters.map(says))).some(said => said) || (await isHarmless()),
      untilSaidMs,
    );
  }

  #expectNothingDecided(without: readonly number[], from: number, to: number): void {
    const names = without.map(place => this.#stage.requesters[place]?.api.requester ?? '');
    const done = this.#times.doneBetween(names, from, to);
    if (done) throw new Error(`${done.requester} acknowledged a decision without a quorum`);
  }

  async #check(): Promise<{ lateMs: number[]; heldMs: number }> {
    await this.#decisions.pause();
    const { lateMs, events } = await checkCalm({
      stage: this.#stage,
      crowd: this.#crowd as Crowd,
      model: this.#model,
      witness: this.#witness as Witness,
      compared: this.#compared,
    });
    this.#events = events;
    const heldMs = [...this.#stage.logs.values()].flatMap(log => {
      log.update();
      return log.kept.splice(0).map(line => (JSON.parse(line) as { waitedMs: number }).waitedMs);
    });
    const faulty = [...this.#stage.logs.values()].flatMap(log => {
      return log.faults.splice(0).map(line => `${log.name} wrote into its log: ${line}`);
    });
    if (this.#fault !== undefined) throw new Error(this.#fault);
    if (faulty.length > 0) throw new Error(faulty.join('\n'));
    this.#decisions.resume();
    return { lateMs, heldMs: Math.max(0, ...heldMs) };
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
