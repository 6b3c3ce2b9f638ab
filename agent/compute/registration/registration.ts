// Registers this node and keeps it registered: decides when to ask the requester, and applies its answers.
import type { Answer } from '../../protocol/answers.ts';
import { fingerprint } from '../../protocol/nkey.ts';
import type { Membership } from '../../protocol/node-state.ts';
import type { Refusal } from '../../protocol/refusal.ts';
import type { Clock } from '../../system/clock.ts';
import { reasonOf } from '../../system/errors.ts';
import type { LimitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import type { Random } from '../../system/random.ts';
import type { StateFile } from '../../system/state-file.ts';
import { BrokerError, type Connection } from '../../transport/port.ts';
import { type AnswerMeaning, interpretAnswer } from './answer-meaning.ts';
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
  /** See RefusedKeyOptions. */
  onReplaced(refusal: Refusal): Promise<boolean>;
}

export class Registration {
  readonly #options: RegistrationOptions;
  readonly #delays: RetryDelays;
  readonly #stopping = new AbortController();
  readonly #refusedKey: RefusedKey;
  readonly #plan: RequestPlan;
  /** Called after each change of the state. The agent sets it. */
  onChange: () => void = () => undefined;
  /** Whether no requester has decided about this node since this process started. A refusal is no decision. */
  #isStarting = true;
  /** Whether an operator told this node to register, and no requester has accepted it since. */
  #isByHand = false;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    this.#delays = new RetryDelays(options.clock, options.random);
    this.#plan = new RequestPlan({
      clock: options.clock,
      stopping: this.#stopping.signal,
      onDue: step => void this.#ask(step),
    });
    this.#refusedKey = new RefusedKey({
      ...options,
      delays: this.#delays,
      stopping: this.#stopping.signal,
      mayComeBack: () => this.mayComeBack,
      update: change => this.#update(change),
      onLetIn: () => this.#onLetIn(),
      onDeleted: ({ reason, operatorReason = '' }) =>
        this.#onDeleted({ kind: 'deleted', reason, operatorReason }),
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
      this.#update({ session, cluster, requester });
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
    return this.#isStarting || this.#isByHand || this.#options.settings.rejoinAfterDelete;
  }

  /** Registers this node again, whatever its state is, because an operator wants it. */
  register(): void {
    const { connection, state } = this.#options;
    this.#isByHand = true;
    this.#delays.onRegisterByHand();
    // The present link, if there is one, may have been opened before the operator's wish.
    if (state.refusal || state.phase === 'deleted') connection.reconnect();
    this.#registerAgain('', 0);
  }

  /** Registers this node with the cluster that it was given a join code of, over a new link. */
  join(): void {
    const { connection } = this.#options;
    this.#delays.onRegisterByHand();
    this.#update({ refusal: undefined });
    connection.reconnect();
    this.#registerAgain('', 0);
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
    if (isAccepted(state.phase)) this.#apply(interpretAnswer(answer, state.cluster), kind);
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
    if (answer) this.#apply(interpretAnswer(answer, cluster), 'information', step);
    else this.#onNoAnswer(step, failure);
    if (isConfirmationDue) this.confirm();
  }

  #onLetIn(): void {
    if (!this.#plan.isBusy && !this.#plan.resume()) this.confirm();
  }

  /** Applies an answer; `step` is undefined when the answer belongs to a report. */
  #apply(meaning: AnswerMeaning, kind: RequestKind, step?: Step): void {
    switch (meaning.kind) {
      case 'accepted':
        this.#onAccepted(meaning, kind, step);
        break;
      case 'rejected':
        this.#onRejected(meaning);
        break;
      case 'deleted':
        this.#onDeleted(meaning);
        break;
      case 'unknown':
        this.#onUnknown(meaning.reason);
        break;
      case 'refused':
        this.#onRefused(meaning.reason, kind, step);
        return;
    }
    this.#isStarting = false;
  }

  #onAccepted(
    meaning: Extract<AnswerMeaning, { kind: 'accepted' }>,
    kind: RequestKind,
    step: Step | undefined,
  ): void {
    const { clock, log, node, key, state, sentinel } = this.#options;
    const isNew = step === 'register';
    const phaseBefore = state.phase;
    const wasRefused = state.refusal !== undefined;
    const phase = phaseOf(meaning.membership);
    // A Bacalhau requester does not name its cluster when it answers a confirmation. Then the cluster stays the same.
    const cluster = meaning.cluster || (isNew ? '' : state.cluster);
    const requester = meaning.requester || (isNew ? '' : state.requester);
    const session = isNew ? meaning.session : state.session;
    this.#delays.onAccepted();
    this.#isByHand = false;
    // A refusal stands until a request of the same kind is carried out: a requester may take the resources of a node whose
    // information it refuses.
    const refusal = state.refused && state.refused !== kind ? {} : ({ refused: '', reason: '' } as const);
    this.#update({ phase, session, cluster, requester, operatorReason: '', refusal: undefined, ...refusal });

    const now = clock.now().toISOString();
    const saved = isNew ? undefined : sentinel.value;
    const approvedAt = saved?.approvedAt ?? (phase === 'approved' ? now : undefined);
    const written = sentinel.set({
      version: 1,
      node,
      key,
      cluster,
      requester,
      session,
      membership: meaning.membership || saved?.membership || '',
      registeredAt: saved?.registeredAt ?? now,
      ...(approvedAt ? { approvedAt } : {}),
    });
    if (!isNew && phase === phaseBefore && !wasRefused) return;
    const text = { pending: 'pending approval', approved: 'approved', registered: 'registered' }[phase];
    const fields = {
      node,
      requester: requester || undefined,
      cluster: cluster || undefined,
      fingerprint: phase === 'pending' ? fingerprint(key) : undefined,
    };
    void written.then(() => log.info(fields, text));
  }

  #onRejected(meaning: Extract<AnswerMeaning, { kind: 'rejected' }>): void {
    const { reason, operatorReason, session } = meaning;
    const { log, node, state, sentinel } = this.#options;
    if (state.phase !== 'rejected') {
      const text = 'this node was rejected by an operator; it keeps asking, in case that changes';
      log.warn({ node, reason: operatorReason || reason }, text);
      this.#delays.restart();
      void sentinel.set(undefined);
    }
    this.#update({
      phase: 'rejected',
      reason,
      operatorReason,
      refused: '',
      session: session || state.session,
    });
    // It confirms and does not register, because a registration would bring back a node that was deleted in the meantime.
    this.#plan.planIn('confirm', this.#delays.whileRejectedMs());
  }

  #onUnknown(reason: string): void {
    const { log, node } = this.#options;
    log.info({ node, reason }, 'the requester does not know this registration; registering again');
    this.#registerAgain(reason, this.#delays.afterVoidMs());
  }

  #onDeleted({ reason, operatorReason }: Extract<AnswerMeaning, { kind: 'deleted' }>): void {
    const { log, node, settings, sentinel } = this.#options;
    // A start of the agent counts as a registration by hand.
    if (this.#isStarting || settings.rejoinAfterDelete) {
      log.info({ node }, 'this node was deleted by an operator; it registers again');
      this.#registerAgain('', this.#delays.afterVoidMs());
      return;
    }
    this.#plan.cancel();
    this.#update({ phase: 'deleted', reason, operatorReason, refused: '', session: '' });
    const text =
      'this node was deleted by an operator; it is quiet until: muster agent register, SIGHUP, or a restart';
    const fields = { node, reason: operatorReason || undefined };
    void sentinel.set(undefined).then(() => log.warn(fields, text));
  }

  #registerAgain(reason: string, waitMs: number): void {
    void this.#options.sentinel.set(undefined);
    this.#update({ phase: 'registering', reason, operatorReason: '', refused: '', session: '' });
    this.#plan.planIn('register', waitMs);
  }

  #onRefused(reason: string, kind: RequestKind, step: Step | undefined): void {
    const { node, limitedLog, state } = this.#options;
    limitedLog.warn(reason, { node, reason }, 'the requester refused; asking again');
    // A rejection says more than a refusal for now, so it stays what is shown.
    const isShown = state.phase !== 'rejected' && (kind === 'information' || state.refused !== 'information');
    if (isShown) this.#update({ refused: kind, reason });
    if (step) this.#retryLater(step);
  }

  #onNoAnswer(step: Step, error: unknown): void {
    const { node, limitedLog } = this.#options;
    // Why the key was refused is asked apart.
    if (!(error instanceof BrokerError && error.fault === 'not_permitted')) {
      const text = `no answer to our ${step === 'register' ? 'registration' : 'information'}; asking again`;
      limitedLog.warn(reasonOf(error), { node, err: error }, text);
    }
    this.#retryLater(step);
  }

  // The registration in the sentinel is valid until a requester contradicts it, so the node continues to send reports.
  #retryLater(step: Step): void {
    const saved = this.#options.sentinel.value;
    if (step === 'confirm' && saved) this.#update({ phase: phaseOf(saved.membership) });
    this.#plan.planIn(step, this.#delays.afterFailureMs());
  }

  #update(change: Partial<RegistrationState>): void {
    const { state } = this.#options;
    let hasChanged = false;
    for (const key of Object.keys(change) as (keyof RegistrationState)[]) {
      if (change[key] !== state[key]) hasChanged = true;
    }
    if (!hasChanged) return;
    Object.assign(state, change);
    this.onChange();
  }
}

function phaseOf(membership: Membership | ''): 'pending' | 'approved' | 'registered' {
  if (membership === 'PENDING') return 'pending';
  return membership === 'APPROVED' ? 'approved' : 'registered';
}
