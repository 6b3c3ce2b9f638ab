// Runs a campaign: starts the cluster, attacks it round by round while operators decide, and checks it after each round.
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { eventStreamConfig } from '../../agent/requester/events/stream-config.ts';
import { askHolder } from '../../agent/system/role-socket.ts';
import type { Connection } from '../../agent/transport/port.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import type { Entrance } from '../support/simulated-node.ts';
import { attack, type Means } from './attack.ts';
import { checkCalm } from './checks.ts';
import { Crowd, memberIds } from './crowd.ts';
import { Decisions } from './decisions.ts';
import { EventLedger } from './event-ledger.ts';
import { Measures } from './measures.ts';
import { Model } from './model.ts';
import { type AttackName, describeRound, planRounds, type Round } from './plan.ts';
import { requesterId, Stage } from './stage.ts';
import { type Concluded, conclude, decisionFigures, type Verdict } from './verdict.ts';

export interface CampaignOptions {
  seed: number;
  /** Called before each round. The campaign ends when it returns false. */
  goOn(round: number): boolean;
  attacks: readonly AttackName[];
  agents: number;
  simulatedNodes: number;
  onProgress(text: string): void;
}

/** What a campaign found, and its figures. */
export interface CampaignVerdict extends Verdict {
  figures: [what: string, figure: number][];
}

export async function runCampaign(options: CampaignOptions): Promise<CampaignVerdict> {
  const campaign = new Campaign(await Stage.create(options.agents), options);
  const verdict = await conclude(campaign, () => campaign.run());
  return { ...verdict, figures: campaign.figures() };
}

class Campaign implements Concluded {
  readonly #stage: Stage;
  readonly #options: CampaignOptions;
  readonly #model = new Model();
  readonly #ledger = new EventLedger(requesterId);
  readonly #measures: Measures;
  readonly #decisions: Decisions;
  readonly #lastEventIds = new Map<string, string>();
  readonly #attacksDone = new Map<AttackName, number>();
  #insider: Connection | undefined;
  #entrance: Entrance | undefined;
  #crowd: Crowd | undefined;
  #fault: string | undefined;
  #floodMessages = 0;
  #rounds = 0;
  doing = 'at the start';

  constructor(stage: Stage, options: CampaignOptions) {
    this.#stage = stage;
    this.#options = options;
    this.#measures = new Measures(stage);
    this.#decisions = new Decisions({
      model: this.#model,
      random: new SeededRandom(options.seed),
      apis: [
        {
          requester: requesterId,
          port: stage.cluster.apiPort,
          token: () => stage.cluster.operatorToken(),
        },
      ],
      command: (...args) => stage.cluster.command(...args),
      bringBack: id => this.#bringBack(id),
      onFault: fault => {
        this.#fault ??= fault;
      },
    });
  }

  get folder(): string {
    return this.#stage.cluster.folder;
  }

  async run(): Promise<void> {
    const { seed, attacks, goOn, onProgress } = this.#options;
    await this.#start();
    await this.#check();
    this.#decisions.start();
    for (const round of planRounds(seed, attacks)) {
      if (!goOn(round.number)) break;
      this.#rounds = round.number;
      this.doing = describeRound(round);
      onProgress(this.doing);
      await this.#attack(round);
      await this.#check();
    }
  }

  async release(keep: boolean): Promise<void> {
    await this.#decisions.stop();
    await this.#crowd?.stop();
    await this.#insider?.close(0);
    await this.#stage.release(keep);
  }

  figures(): [string, number][] {
    return [
      ['rounds', this.#rounds],
      ...[...this.#attacksDone].map(([name, count]): [string, number] => [`attack: ${name}`, count]),
      ['messages and connections of floods', this.#floodMessages],
      ...decisionFigures(this.#decisions),
      ['events', this.#ledger.counts.genuine],
      ['forged events', this.#ledger.counts.forged],
      ['most open files of a process', this.#measures.most.descriptors],
      ['most memory of a process, MB', Math.round(this.#measures.most.memoryBytes / 1e6)],
      ['most log lines of a process in a round', this.#measures.most.logLines],
    ];
  }

  async #start(): Promise<void> {
    const stage = this.#stage;
    await stage.startRequester();
    this.#insider = await stage.connectInsider();
    await this.#followEvents(this.#insider);
    const entrance = await stage.newEntrance();
    this.#entrance = entrance;
    const members = memberIds(this.#options.simulatedNodes);
    for (const id of stage.agentIds) this.#model.add(id, true);
    for (const id of members) this.#model.add(id, false);
    this.#crowd = new Crowd(() => entrance, this.#model, members);
    await this.#crowd.start();
    await Promise.all(stage.agentIds.map(id => stage.startAgent(id)));
    await stage.untilLetIn();
  }

  async #followEvents(connection: Connection): Promise<void> {
    const stream = await (await connection.storage()).stream(eventStreamConfig);
    await stream.follow({ filter: 'node.events.>' }, message => {
      this.#ledger.add(message.data);
      const [, , node = ''] = message.subject.split('.');
      const id = /"id":"([^"]+)"/.exec(Buffer.from(message.data).toString())?.[1];
      if (id) this.#lastEventIds.set(node, id);
    });
  }

  async #attack({ attacks }: Round): Promise<void> {
    const { cluster } = this.#stage;
    const connection = this.#insider as Connection;
    const entrance = this.#entrance as Entrance;
    const stream = await (await connection.storage()).stream(eventStreamConfig);
    const means: Means = {
      stage: this.#stage,
      connection,
      pauseDecisions: () => this.#decisions.pause(),
      resumeDecisions: () => this.#decisions.resume(),
      onStoreLost: () => this.#model.loseWaiting(),
      ids: this.#model.ids,
      lastEventId: (node: string) => this.#lastEventIds.get(node),
      publishStored: async (subject: string, data: string, id: string) =>
        void (await stream.publish(subject, data, id)),
      apiPort: cluster.apiPort,
      brokerPort: cluster.brokerPort,
      entrance,
      onFault: fault => {
        this.#fault ??= fault;
      },
      onSent: (count: number) => {
        this.#floodMessages += count;
      },
    };
    await Promise.all(
      attacks.map(async each => {
        if (each.name === 'fill the disk' && !this.#stage.disk) {
          this.#options.onProgress('left out: no disk can be mounted here');
          return;
        }
        await attack(each, means);
        this.#attacksDone.set(each.name, (this.#attacksDone.get(each.name) ?? 0) + 1);
      }),
    );
    // Decisions go on for a moment between the attack and the calm.
    await pause(500);
  }

  async #check(): Promise<void> {
    const crowd = this.#crowd as Crowd;
    await this.#decisions.pause();
    await checkCalm({ stage: this.#stage, crowd, model: this.#model, ledger: this.#ledger });
    const grown = this.#measures.take();
    if (this.#fault !== undefined) throw new Error(this.#fault);
    if (grown.length > 0) throw new Error(grown.join('\n'));
    this.#decisions.resume();
  }

  async #bringBack(id: string): Promise<void> {
    const isAgent = this.#stage.agentIds.includes(id);
    if (!isAgent) return await this.#crowd?.bringBack(id);
    // This is what `muster agent register` does. An agent that does not run or is suspended does not answer.
    const folder = join(this.#stage.cluster.folderOf(id), 'agent');
    await askHolder(folder, { command: 'register' }).catch(() => undefined);
  }
}
