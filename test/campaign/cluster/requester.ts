// One of the two requesters of the campaign against a cluster: its process, its API and its folder.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeView } from '../../../agent/requester/directory/node-view.ts';
import type { RequesterStatus } from '../../../agent/requester/status/requester-status.ts';
import type { Cluster } from '../../support/cluster.ts';
import { eventually } from '../../support/eventually.ts';
import type { NatsSites } from '../../support/nats-sites.ts';
import type { Program } from '../../support/program.ts';
import { readShown } from '../../support/read-shown.ts';
import type { Api } from '../decisions.ts';

/** What a requester needs of the stage. */
export interface Surroundings {
  readonly cluster: Cluster;
  readonly nats: NatsSites;
  /** Returns how a process is started, so that its log is a file. */
  options(name: string): { stderr: number; env: Record<string, string> };
  /** Returns the last lines of the log of a process. */
  logEndOf(name: string): Promise<string>;
}

/** Time after which a requester counts as silent, in milliseconds. A suspended one takes a connection and says nothing. */
const answerTimeoutMs = 5_000;

export class Requester {
  readonly site: 0 | 1;
  readonly port: number;
  readonly #stage: Surroundings;
  /** Its node id. A requester that lost its folder comes back as a new one. */
  id: string;
  /** Environment for its next starts, such as another clock. */
  env: Record<string, string> = {};
  #program: Program | undefined;

  constructor(stage: Surroundings, id: string, site: 0 | 1, port: number) {
    this.#stage = stage;
    this.id = id;
    this.site = site;
    this.port = port;
  }

  get program(): Program {
    if (!this.#program) throw new Error(`${this.id} was not started`);
    return this.#program;
  }

  get folder(): string {
    return this.#stage.cluster.folderOf(this.id);
  }

  /** How operators reach it. The token is empty while there is none, and then refused. */
  get api(): Api {
    return {
      requester: `requester ${this.site}`,
      port: this.port,
      token: async () =>
        (await readFile(join(this.folder, 'requester', 'operator.token'), 'utf8').catch(() => '')).trim(),
    };
  }

  /** Starts it. `untilReady` waits. */
  async start(): Promise<void> {
    const { cluster, nats } = this.#stage;
    const { stderr, env } = this.#stage.options(this.id);
    this.#program = await cluster.requester(
      { 'api.port': this.port, 'nats.servers': nats.urlsAt(this.site).join(',') },
      { id: this.id, wait: false, stderr, env: { ...env, ...this.env } },
    );
  }

  /** Resolves once it is ready, knows the other one, and has told every event if it watches. */
  async untilReady(): Promise<void> {
    let last = 'no answer';
    await eventually(
      `${this.id} is ready`,
      async () => {
        if (!this.program.running) {
          last = `it has ended by itself with code ${(await this.program.finished).code}`;
          throw new Error(last);
        }
        const status = await this.status();
        last = status
          ? `${status.state} (${status.reason ?? ''}), ${status.eventsWaiting ?? 0} events wait, beside ${status.peers?.length ?? 0}`
          : 'no answer';
        return (
          status?.state === 'ready' && (status.eventsWaiting ?? 0) === 0 && (status.peers?.length ?? 0) === 1
        );
      },
      120_000,
    ).catch(async cause => {
      const log = await this.#stage.logEndOf(this.id);
      throw new Error(`${this.id} does not become ready: ${last}; its log ends with:\n${log}`, { cause });
    });
  }

  /** Returns its status; undefined when it does not answer. */
  async status(): Promise<RequesterStatus | undefined> {
    const text = await this.#get('status').catch(() => undefined);
    return text === undefined ? undefined : readShown<RequesterStatus>(text);
  }

  async nodes(): Promise<NodeView[]> {
    return (JSON.parse(await this.#get('nodes')) as { Nodes?: NodeView[] }).Nodes ?? [];
  }

  /** Returns the stored events as lines of JSON, the oldest first. */
  async events(): Promise<string[]> {
    return (await this.#get('events')).split('\n').filter(line => line !== '');
  }

  async #get(path: string): Promise<string> {
    const answer = await fetch(`http://127.0.0.1:${this.port}/api/v1/orchestrator/${path}`, {
      headers: { connection: 'close' },
      signal: AbortSignal.timeout(answerTimeoutMs),
    });
    if (!answer.ok) throw new Error(`${this.id} answers ${path} with ${answer.status}`);
    return await answer.text();
  }
}
