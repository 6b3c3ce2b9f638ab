// Registers this node and keeps it registered: decides when to ask the requester.
import type { Answer } from '../../protocol/answers.ts';
import { fingerprint } from '../../protocol/nkey.ts';
import type { Refusal } from '../../protocol/refusal.ts';
import type { Clock } from '../../system/clock.ts';
import { reasonOf } from '../../system/errors.ts';
import type { LimitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import type { Random } from '../../system/random.ts';
import type { StateFile } from '../../system/state-file.ts';
import { BrokerError, type Connection } from '../../transport/port.ts';
import { AnswerEffects } from './answer-effects.ts';
import { interpretAnswer } from './answer-meaning.ts';
import { RefusedKey } from './refused-key.ts';
import { RequestPlan, type Step } from './request-plan.ts';
import type { RequesterClient } from './requester-client.ts';
import { RetryDelays } from './retry-delays.ts';
import type { Sentinel } from './sentinel.ts';
import { isAccepted, isShutOut, type RegistrationState, type RequestKind } from './state.ts';

export interface RegistrationOptions {
  clock: Clock;
  random: Random;
  log: Log;
  limitedLog: LimitedLog;
  node: string;
  /** The node's public key, which changes when the node exchanges it. */
  readonly key: string;
  /** The state of the registration. Only the registration writes it; the other parts of the agent read it. */
  state: RegistrationState;
  connection: Pick<Connection, 'state' | 'connected' | 'reconnect' | 'standBy'>;
  client: Pick<RequesterClient, 'sendInfo' | 'whyRefused'>;
  sentinel: StateFile<Sentinel | undefined>;
  settings: { readonly rejoinAfterDelete: boolean };
  /** Whether the agent starts; false when it goes on under the new id of its node. */
  isStart: boolean;
  /** See RefusedKeyOptions. */
  onReplaced(refusal: Refusal): Promise<boolean>;
  onRenamed(newId: string): Promise<boolean>;
}

export class Registration {
  readonly #options: RegistrationOptions;
  readonly #delays: RetryDelays;
  readonly #stopping = new AbortController();
  readonly #refusedKey: RefusedKey;
  readonly #plan: RequestPlan;
  readonly #effects: AnswerEffects;
  /** Called after each change of the state. The agent sets it. */
  onChange: () => void = () => undefined;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    this.#delays = new RetryDelays(options.clock, options.random);
    this.#plan = new RequestPlan({
      clock: options.clock,
      stopping: this.#stopping.signal,
      onDue: step => void this.#ask(step),
    });
    this.#effects = new AnswerEffects({
      ...options,
      get key() {
        return options.key;
      },
      plan: this.#plan,
      delays: this.#delays,
      onChange: () => this.onChange(),
    });
    this.#refusedKey = new RefusedKey({
      ...options,
      delays: this.#delays,
      stopping: this.#stopping.signal,
      fingerprint: () => fingerprint(options.key),
      mayComeBack: () => this.mayComeBack,
      update: change => this.#effects.update(change),
      onLetIn: () => this.#onLetIn(),
      // It confirms and does not register, because a registration would bring back a node that nobody brought back.
      onBroughtBack: () => this.#plan.planIn('confirm', 0),
      onDeleted: ({ reason, operatorReason = '' }) =>
        this.#effects.onDeleted({ kind: 'deleted', reason, operatorReason }),
    });
  }

  /**
   * Reads the sentinel. If there is one, it asks the requester to confirm it; otherwise it registers this node. Never
   * rejects.
   */
  async start(): Promise<void> {
    const saved = await this.#options.sentinel.load();
    this.#plan.end();
    // An operator may have asked for a registration before the sentinel was read.
    if (this.#plan.resume()) return;
    // The node sends no reports in the sentinel's session until the requester has confirmed the session.
    if (saved) {
      const { session, cluster, requester } = saved;
      this.#effects.update({ session, cluster, requester });
    }
    this.#plan.planIn(saved ? 'confirm' : 'register', 0);
  }

  /** Sends no more requests. Resolves when the sentinel was written or could not be written. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#plan.cancel();
    await this.#options.sentinel.sync();
  }

  /** Whether the node may come back although an operator deleted it. The name of the connection says so. */
  get mayComeBack(): boolean {
    return this.#effects.mayComeBack;
  }

  /** Registers this node again, whatever its state is, because an operator wants it. */
  register(): void {
    const { connection, state } = this.#options;
    this.#effects.onRegisterByHand();
    this.#delays.onRegisterByHand();
    this.#refusedKey.onRegisterByHand();
    // The present link, if there is one, may have been opened before the operator's wish.
    if (state.refusal || state.phase === 'deleted') connection.reconnect();
    this.#effects.registerAgain('', 0);
  }

  /** Registers this node with the cluster that it was given a join code of, over a new link. */
  join(): void {
    const { connection } = this.#options;
    this.#delays.onRegisterByHand();
    this.#refusedKey.onRegisterByHand();
    this.#effects.update({ refusal: undefined });
    connection.reconnect();
    this.#effects.registerAgain('', 0);
  }

  /** Writes the new key of this node into the sentinel. */
  onKeyChanged(): void {
    const { sentinel, key } = this.#options;
    if (sentinel.value) void sentinel.set({ ...sentinel.value, key });
  }

  /** Finds out whether the key of this node is still refused. The agent calls it after each new link. */
  onConnectedAgain(): Promise<void> {
    return this.#refusedKey.onConnectedAgain();
  }

  /** Finds out why the broker does not permit this node's requests. */
  onNotPermitted(): Promise<void> {
    return this.#refusedKey.onNotPermitted();
  }

  /**
   * Asks the requester to confirm the registration, because it may have changed there. It asks at most once a second.
   * When the node is not accepted it does nothing: either a request is planned already, or an operator has to register
   * the node.
   */
  confirm(): void {
    const { phase } = this.#options.state;
    // The requester may have written the awaited answer before the change.
    if (this.#plan.isBusy) this.#plan.confirmAfterwards();
    else if (phase === 'rejected' || isAccepted(phase)) this.#plan.planConfirmation();
  }

  /** Applies the answer to a report. The answer is ignored when the report was sent under an earlier session. */
  applyAnswer(answer: Answer, session: string, kind: RequestKind): void {
    const { state } = this.#options;
    if (this.#stopping.signal.aborted || session !== state.session) return;
    if (isAccepted(state.phase)) this.#effects.apply(interpretAnswer(answer, state.cluster), kind);
  }

  async #ask(step: Step): Promise<void> {
    const { connection, client, state } = this.#options;
    const { signal } = this.#stopping;
    // A node may move to another cluster by registering there. So only a confirmation checks the cluster.
    const cluster = step === 'register' ? '' : state.cluster;
    this.#plan.begin();
    let answer: Answer | undefined;
    let failure: unknown;
    try {
      if (connection.state.kind !== 'connected') await connection.connected(signal);
      if (isShutOut(state)) return this.#plan.keep(step);
      answer = await client.sendInfo(step === 'register' ? 'RegisterNode/v1' : 'UpdateNodeInfo/v1');
    } catch (error) {
      failure = error;
    }
    this.#plan.end();
    const isConfirmationDue = this.#plan.takeConfirmation();
    if (signal.aborted) return;
    // A plan that was made during the request is newer than the answer.
    if (this.#plan.resume()) return;
    if (answer) this.#effects.apply(interpretAnswer(answer, cluster), 'information', step);
    else this.#onNoAnswer(step, failure);
    if (isConfirmationDue) this.confirm();
  }

  #onLetIn(): void {
    if (!this.#plan.isBusy && !this.#plan.resume()) this.confirm();
  }

  #onNoAnswer(step: Step, error: unknown): void {
    const { node, limitedLog } = this.#options;
    // Why the key was refused is asked apart.
    if (!(error instanceof BrokerError && error.fault === 'not_permitted')) {
      const text = `no answer to our ${step === 'register' ? 'registration' : 'information'}; asking again`;
      limitedLog.warn(reasonOf(error), { node, err: error }, text);
    }
    this.#effects.retryLater(step);
  }
}
