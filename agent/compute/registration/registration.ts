// Registers this node and keeps it registered: when to ask the requester, and what each of its answers changes.
import type { Answer } from '../../protocol/answers.ts';
import { fingerprint } from '../../protocol/nkey.ts';
import type { Membership } from '../../protocol/node-state.ts';
import type { Clock, Timer } from '../../system/clock.ts';
import { reasonOf } from '../../system/errors.ts';
import type { LimitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import type { Random } from '../../system/random.ts';
import type { StateFile } from '../../system/state-file.ts';
import type { Connection } from '../../transport/port.ts';
import { type AnswerMeaning, interpretAnswer } from './answer-meaning.ts';
import type { RequesterClient } from './requester-client.ts';
import { RetryDelays } from './retry-delays.ts';
import type { Sentinel } from './sentinel.ts';
import { isAccepted, type RegistrationState } from './state.ts';

export interface RegistrationOptions {
  clock: Clock;
  random: Random;
  log: Log;
  limitedLog: LimitedLog;
  node: string;
  /** The node's public key. */
  key: string;
  /** Written by the registration alone; the other parts of the agent read it. */
  state: RegistrationState;
  connection: Pick<Connection, 'state' | 'connected'>;
  client: Pick<RequesterClient, 'sendInfo'>;
  sentinel: StateFile<Sentinel | undefined>;
  settings: { readonly rejoinAfterDelete: boolean };
}

/** Time between two confirmations that events lead to, in milliseconds. */
const confirmIntervalMs = 1_000;

/** `confirm` sends the node's information, so that the answer tells what the requester knows of this node. */
type Step = 'register' | 'confirm';

export class Registration {
  readonly #options: RegistrationOptions;
  readonly #delays: RetryDelays;
  readonly #stopping = new AbortController();
  /** Called after each change of the state. The agent's wiring sets it. */
  onChange: () => void = () => undefined;
  /** The next request, and when it is due: monotonic milliseconds. */
  #next: { step: Step; at: number } | undefined;
  #timer: Timer | undefined;
  /** The sentinel is not read yet, or an answer is awaited: nothing else is asked meanwhile. */
  #isBusy = true;
  /** Something may have changed at the requester while a request was on its way. */
  #isConfirmationDue = false;
  /** When a confirmation was last due because of an event: monotonic milliseconds. */
  #confirmedAt = Number.NEGATIVE_INFINITY;
  /** No requester has decided anything since this process started. */
  #isStarting = true;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    this.#delays = new RetryDelays(options.clock, options.random);
  }

  /** Reads the sentinel, then asks the requester: to confirm what the sentinel says, or to register this node. Never rejects. */
  async start(): Promise<void> {
    const saved = await this.#options.sentinel.load();
    this.#isBusy = false;
    // A registration by hand may have been wanted before the sentinel was read.
    if (this.#resumePlan()) return;
    // Nothing is reported under the sentinel's session before the requester has confirmed it.
    if (saved) {
      const { session, cluster, requester } = saved;
      this.#update({ session, cluster, requester });
    }
    if (!this.#stopping.signal.aborted) void this.#ask(saved ? 'confirm' : 'register');
  }

  /** Asks nothing more. Resolves when the sentinel is written or could not be written. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#timer?.cancel();
    await this.#options.sentinel.sync();
  }

  /** Registers this node anew, because an operator wants it, whatever its state is. */
  register(): void {
    this.#delays.onRegisterByHand();
    this.#registerAgain('', 0);
  }

  /**
   * Asks the requester to confirm the registration, because it may have changed there. It asks at most once a second, and
   * not at all while the node is not accepted: then it asks anyway, or an operator has to register the node.
   */
  confirm(): void {
    const { phase } = this.#options.state;
    // The answer that is on its way may have been written before the change.
    if (this.#isBusy) this.#isConfirmationDue = true;
    else if (phase === 'rejected' || isAccepted(phase)) {
      const at = Math.max(this.#options.clock.monotonic(), this.#confirmedAt + confirmIntervalMs);
      if (this.#next && this.#next.at <= at) return;
      this.#confirmedAt = at;
      this.#plan('confirm', at);
    }
  }

  /** Applies the answer to a report. One that was sent under an earlier session says nothing about this registration. */
  applyAnswer(answer: Answer, session: string): void {
    const { state } = this.#options;
    if (this.#stopping.signal.aborted || session !== state.session) return;
    if (isAccepted(state.phase)) this.#apply(interpretAnswer(answer, state.cluster));
  }

  /** Asks `step` at `at`, monotonic milliseconds, in place of what was planned before. While busy, it is only noted. */
  #plan(step: Step, at: number): void {
    this.#timer?.cancel();
    this.#next = { step, at };
    if (this.#isBusy || this.#stopping.signal.aborted) return;
    const { clock } = this.#options;
    const waitMs = at - clock.monotonic();
    if (waitMs > 0) this.#timer = clock.after(waitMs, () => void this.#ask(step));
    else void this.#ask(step);
  }

  #planIn(step: Step, waitMs: number): void {
    this.#plan(step, this.#options.clock.monotonic() + waitMs);
  }

  /** Resumes what was planned while the registration was busy; false when nothing was. */
  #resumePlan(): boolean {
    if (!this.#next) return false;
    this.#plan(this.#next.step, this.#next.at);
    return true;
  }

  async #ask(step: Step): Promise<void> {
    const { connection, client, state } = this.#options;
    const { signal } = this.#stopping;
    // A node leaves one cluster for another by registering, so only a confirmation can meet the wrong cluster.
    const cluster = step === 'register' ? '' : state.cluster;
    this.#next = undefined;
    this.#isBusy = true;
    let answer: Answer | undefined;
    let failure: unknown;
    try {
      if (connection.state.kind !== 'connected') await connection.connected(signal);
      answer = await client.sendInfo(step === 'register' ? 'RegisterNode/v1' : 'UpdateNodeInfo/v1');
    } catch (error) {
      failure = error;
    }
    this.#isBusy = false;
    const isConfirmationDue = this.#isConfirmationDue;
    this.#isConfirmationDue = false;
    if (signal.aborted) return;
    // What was planned while the request was on its way is newer than the answer.
    if (this.#resumePlan()) return;
    if (answer) this.#apply(interpretAnswer(answer, cluster), step);
    else this.#onNoAnswer(step, failure);
    if (isConfirmationDue) this.confirm();
  }

  /** Applies an answer; `step` is undefined when it answers a report. */
  #apply(meaning: AnswerMeaning, step?: Step): void {
    switch (meaning.kind) {
      case 'accepted':
        this.#onAccepted(meaning, step);
        break;
      case 'rejected':
        this.#onRejected(meaning);
        break;
      case 'deleted':
        this.#onDeleted(meaning.reason);
        break;
      case 'unknown':
        this.#onUnknown(meaning.reason);
        break;
      case 'refused':
        this.#onRefused(meaning.reason, step);
        return;
    }
    this.#isStarting = false;
  }

  #onAccepted(meaning: Extract<AnswerMeaning, { kind: 'accepted' }>, step: Step | undefined): void {
    const { clock, log, node, key, state, sentinel } = this.#options;
    const isNew = step === 'register';
    const phaseBefore = state.phase;
    const phase = phaseOf(meaning.membership);
    // A Bacalhau requester does not say who it is when it answers a confirmation. Then it is the one that is known.
    const cluster = meaning.cluster || (isNew ? '' : state.cluster);
    const requester = meaning.requester || (isNew ? '' : state.requester);
    const session = isNew ? meaning.session : state.session;
    this.#delays.onAccepted();
    this.#update({ phase, session, cluster, requester, reason: '' });

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
    if (!isNew && phase === phaseBefore) return;
    const text = { pending: 'pending approval', approved: 'approved', registered: 'registered' }[phase];
    const fields = {
      node,
      requester: requester || undefined,
      cluster: cluster || undefined,
      fingerprint: phase === 'pending' ? fingerprint(key) : undefined,
    };
    void written.then(() => log.info(fields, text));
  }

  #onRejected({ reason, session }: Extract<AnswerMeaning, { kind: 'rejected' }>): void {
    const { log, node, state, sentinel } = this.#options;
    if (state.phase !== 'rejected') {
      const text = 'this node was rejected by an operator; it keeps asking, in case that changes';
      log.warn({ node, reason }, text);
      this.#delays.restart();
      void sentinel.set(undefined);
    }
    this.#update({ phase: 'rejected', reason, session: session || state.session });
    // It confirms and does not register, because a registration would bring back a node that was deleted meanwhile.
    this.#planIn('confirm', this.#delays.whileRejectedMs());
  }

  #onUnknown(reason: string): void {
    const { log, node } = this.#options;
    log.info({ node, reason }, 'the requester does not know this registration; registering again');
    this.#registerAgain(reason, this.#delays.afterVoidMs());
  }

  #onDeleted(reason: string): void {
    const { log, node, settings, sentinel } = this.#options;
    // A start of the agent counts as a registration by hand.
    if (this.#isStarting || settings.rejoinAfterDelete) {
      log.info({ node }, 'this node was deleted by an operator; it registers again');
      this.#registerAgain('', this.#delays.afterVoidMs());
      return;
    }
    this.#next = undefined;
    this.#timer?.cancel();
    this.#update({ phase: 'deleted', reason, session: '' });
    const text =
      'this node was deleted by an operator; it is quiet until: muster agent register, SIGHUP, or a restart';
    void sentinel.set(undefined).then(() => log.warn({ node }, text));
  }

  #registerAgain(reason: string, waitMs: number): void {
    void this.#options.sentinel.set(undefined);
    this.#update({ phase: 'registering', reason, session: '' });
    this.#planIn('register', waitMs);
  }

  #onRefused(reason: string, step: Step | undefined): void {
    const { node, limitedLog } = this.#options;
    limitedLog.warn(reason, { node, reason }, 'the requester refused; asking again');
    if (step) this.#retryLater(step, reason);
  }

  #onNoAnswer(step: Step, error: unknown): void {
    const { node, limitedLog } = this.#options;
    const text = `no answer to our ${step === 'register' ? 'registration' : 'information'}; asking again`;
    limitedLog.warn(reasonOf(error), { node, err: error }, text);
    this.#retryLater(step, '');
  }

  // A sentinel counts until a requester contradicts it, so the node reports meanwhile.
  #retryLater(step: Step, reason: string): void {
    const saved = this.#options.sentinel.value;
    if (step === 'confirm' && saved) this.#update({ phase: phaseOf(saved.membership) });
    if (step === 'register' && reason) this.#update({ reason });
    this.#planIn(step, this.#delays.afterFailureMs());
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
