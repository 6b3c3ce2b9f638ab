// Operators who go on deciding during the whole campaign, through the API and now and then by the command.
import { setTimeout as pause } from 'node:timers/promises';
import { errnoOf } from '../../agent/system/errors.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import type { Model, Operation, Outcome, State, Verb } from './model.ts';

type Decision = Exclude<Verb, 'register'>;

/** The API of a requester. */
export interface Api {
  /** The id of the requester. */
  requester: string;
  port: number;
  /** Returns the operator's token. The requester makes another one when its store was lost. */
  token(): Promise<string>;
}

/** A decision that is over. Times are those of `performance.now()`. */
export interface Decided {
  outcome: Outcome;
  /** The requester that answered last, or should have; undefined for a decision by the command. */
  requester: string | undefined;
  sentAt: number;
  endedAt: number;
}

export interface DecisionOptions {
  model: Model;
  random: SeededRandom;
  /** The requesters. Half of the operators try the first one first, the others the last one, as in `api.servers`. */
  apis: readonly Api[];
  /** Runs a command of muster against the API. */
  command(...args: string[]): Promise<{ code: number | null; stderr: string }>;
  /** Lets a node that was deleted register again. */
  bringBack(id: string): Promise<void>;
  onDecided?(decided: Decided): void;
  onFault(fault: string): void;
}

/** Number of operators. Each decides about nodes of its own, so that their decisions have an order. */
const operators = 8;
/** Time between two decisions of an operator, in milliseconds. */
const betweenMs = 100;
const answerTimeoutMs = 12_000;
/** One decision of this many is made by the command, which takes the time of a process. */
const commandShare = 24;

export class Decisions {
  readonly #options: DecisionOptions;
  readonly counts = { done: 0, refused: 0, notSent: 0, unknown: 0, byCommand: 0 };
  #paused = Promise.withResolvers<void>();
  #running: Promise<unknown> | undefined;
  #state: 'running' | 'paused' | 'stopped' = 'paused';
  readonly #atWork = new Set<Promise<void>>();

  constructor(options: DecisionOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = Promise.all(Array.from({ length: operators }, (_, index) => this.#operate(index)));
    this.resume();
  }

  /** Resolves once no decision is under way. No further one begins until `resume`. */
  async pause(): Promise<void> {
    if (this.#state === 'running') {
      this.#state = 'paused';
      this.#paused = Promise.withResolvers<void>();
    }
    await Promise.all(this.#atWork);
  }

  resume(): void {
    if (this.#state === 'stopped') return;
    this.#state = 'running';
    this.#paused.resolve();
  }

  async stop(): Promise<void> {
    this.#state = 'stopped';
    this.#paused.resolve();
    await this.#running;
  }

  async #operate(operator: number): Promise<void> {
    const nodes = this.#options.model.ids.filter((_, index) => index % operators === operator);
    for (;;) {
      if (this.#state === 'paused') await this.#paused.promise;
      if (this.#state === 'stopped') return;
      const work = this.#decideOnce(this.#options.random.pick(nodes), operator).catch(error =>
        this.#options.onFault(String(error)),
      );
      this.#atWork.add(work);
      await work;
      this.#atWork.delete(work);
      await pause(betweenMs);
    }
  }

  async #decideOnce(id: string, operator: number): Promise<void> {
    const { model, random, bringBack } = this.#options;
    const state = random.pick([...model.possible(id)]);
    if (state === 'absent') return bringBack(id);
    const verb = chooseVerb(state, random.number());
    const operation = model.begin(id, verb);
    const byCommand = random.below(commandShare) === 0;
    const sentAt = performance.now();
    const { outcome, requester } = byCommand
      ? { outcome: await this.#byCommand(verb, operation), requester: undefined }
      : await this.#byApis(verb, operation, operator);
    this.#options.onDecided?.({ outcome, requester, sentAt, endedAt: performance.now() });
    model.end(operation, outcome);
    if (byCommand) this.counts.byCommand++;
    if (outcome === 'done') this.counts.done++;
    else if (outcome === 'unknown') this.counts.unknown++;
    else if (outcome === 'not sent') this.counts.notSent++;
    else this.counts.refused++;
  }

  /** Asks the requesters in turn, until one of them may have done something. */
  async #byApis(
    verb: Decision,
    operation: Operation,
    operator: number,
  ): Promise<{ outcome: Outcome; requester: string | undefined }> {
    const { apis } = this.#options;
    let last: { outcome: Outcome; requester: string | undefined } = {
      outcome: 'not sent',
      requester: undefined,
    };
    for (const api of operator % 2 === 0 ? apis : apis.toReversed()) {
      last = { outcome: await this.#byApi(verb, operation, api), requester: api.requester };
      if (last.outcome !== 'not sent') return last;
    }
    return last;
  }

  async #byApi(verb: Decision, { node, reason }: Operation, api: Api): Promise<Outcome> {
    const url = `http://127.0.0.1:${api.port}/api/v1/orchestrator/nodes/${node}`;
    try {
      const answer = await fetch(url, {
        method: 'PUT',
        headers: {
          connection: 'close',
          'content-type': 'application/json',
          authorization: `Bearer ${await api.token()}`,
        },
        body: JSON.stringify({ Action: verb, Message: reason, Actor: 'the campaign' }),
        signal: AbortSignal.timeout(answerTimeoutMs),
      });
      const text = await answer.text();
      if (answer.ok) return 'done';
      if (answer.status === 401) return 'not sent';
      if (answer.status === 404) return 'absent';
      if (answer.status === 409) return 'conflict';
      // The requester says so when nothing was done and nothing may still be.
      if (/"NothingDone":\s*true/.test(text)) return 'not sent';
      if (answer.status >= 500) return 'unknown';
      throw new Error(`${verb} ${node} was answered with ${answer.status}: ${text}`);
    } catch (error) {
      if (errnoOf((error as Error).cause) === 'ECONNREFUSED') return 'not sent';
      // A broken connection or no answer: the decision may stand.
      if (error instanceof TypeError || error instanceof DOMException) return 'unknown';
      throw error;
    }
  }

  async #byCommand(verb: Decision, { node, reason }: Operation): Promise<Outcome> {
    const { code, stderr } = await this.#options.command('node', verb, node, '-m', reason);
    if (code === 0) return 'done';
    if (code === 69) return 'unknown';
    // The token was made anew after it was read, or is gone with the folder of a requester.
    if (code === 77 || /there is no file .*operator\.token/.test(stderr)) return 'not sent';
    // The store had no room or no quorum, or waits for a rebuild.
    if (/was not stored|store rebuild|no quorum/.test(stderr)) return 'not sent';
    if (/already (approved|rejected)/.test(stderr)) return 'conflict';
    if (/not found|no node/.test(stderr)) return 'absent';
    throw new Error(`muster node ${verb} ${node} ended with ${code}: ${stderr}`);
  }
}

// Most decisions are possible ones. Some are made again, and must be refused.
function chooseVerb(state: Exclude<State, 'absent'>, chance: number): Decision {
  if (chance < 0.15) return 'delete';
  if (state === 'APPROVED') return chance < 0.95 ? 'reject' : 'approve';
  if (state === 'REJECTED') return chance < 0.95 ? 'approve' : 'reject';
  return chance < 0.75 ? 'approve' : 'reject';
}
