// The agent's registration: when to register, when the sentinel serves instead, and what each answer changes (design 5).
import type { Answer } from '../protocol/answers.ts';
import type { Membership } from '../protocol/node-state.ts';
import { type Clock, sleep } from '../system/clock.ts';
import { reasonOf } from '../system/errors.ts';
import { type Log, rateLimit } from '../system/log.ts';
import { backoff, type Random } from '../system/random.ts';
import { judge, type Outcome } from './judgement.ts';
import type { Found, Sentinel } from './sentinel.ts';

export type Phase =
  /** Not accepted yet. */
  | 'registering'
  /** Accepted; an operator has to approve. */
  | 'pending'
  | 'approved'
  /** Accepted by a Bacalhau requester, which does not tell its nodes their membership. */
  | 'registered'
  | 'rejected'
  /** An operator deleted this node: quiet until somebody registers it by hand. */
  | 'deleted';

/** Where the registration stands. Empty texts: not known. */
export interface Standing {
  phase: Phase;
  session: string;
  cluster: string;
  requester: string;
  /** Why, in the requester's words, when it refused. */
  reason: string;
}

export interface RegistrationOptions {
  clock: Clock;
  random: Random;
  log: Log;
  node: string;
  key: string;
  /** Resolves while the broker is connected. Rejects when `signal` aborts. */
  connected(signal: AbortSignal): Promise<void>;
  /** Sends a Register or an UpdateNodeInfo and reads the answer. Throws when there is none. */
  ask(kind: 'register' | 'update'): Promise<Answer>;
  rejoinAfterDelete(): boolean;
  readSentinel(): Promise<Found>;
  writeSentinel(sentinel: Sentinel): Promise<void>;
  voidSentinel(): Promise<void>;
  /** The standing changed. */
  changed(standing: Standing): void;
}

/** Milliseconds. */
const waits = {
  /** After an answer that voids a registration: at once the first time, then from `first` on, doubling. */
  void: { first: 1_000, cap: 120_000 },
  rejected: { first: 1_000, cap: 120_000 },
  /** When nobody answers, or the answer is "not now". */
  refused: { first: 250, cap: 10_000 },
  /** A registration that lasted so long is stable: the next void counts as the first again. */
  stable: 120_000,
};

type Step = 'register' | 'confirm';

export class Registration {
  readonly #options: RegistrationOptions;
  readonly #stopping = new AbortController();
  readonly #mayLog: ReturnType<typeof rateLimit>;
  #standing: Standing = { phase: 'registering', session: '', cluster: '', requester: '', reason: '' };
  #sentinel: Sentinel | undefined;
  #unwritten = false;
  /** What to do next, and not before when (monotonic milliseconds). */
  #due: { step: Step; at: number } | undefined;
  #wake = new AbortController();
  #starting = true;
  #failures = 0;
  #voids = 0;
  #acceptedAt: number | undefined;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    this.#mayLog = rateLimit(() => options.clock.monotonic(), 60_000);
  }

  get standing(): Standing {
    return this.#standing;
  }

  /** Runs until stopped. */
  async run(): Promise<void> {
    await this.#readSentinel();
    while (!this.#stopping.signal.aborted) {
      const due = this.#due;
      const wait = due ? due.at - this.#options.clock.monotonic() : Number.POSITIVE_INFINITY;
      if (due && wait <= 0) await this.#take(due);
      else await this.#pause(wait);
    }
  }

  stop(): void {
    this.#stopping.abort();
    this.#wake.abort();
  }

  /** Something may have changed at the requester: ask now. An event is no more than this. */
  nudge(): void {
    const { phase } = this.#standing;
    if (phase === 'deleted' || this.#due?.step === 'confirm') return;
    this.#plan(phase === 'registering' || phase === 'rejected' ? 'register' : 'confirm', 0);
  }

  /** By hand: registers anew, whatever stands. */
  async register(): Promise<void> {
    await this.#void();
    this.#failures = 0;
    this.#stand({ phase: 'registering', reason: '', session: '' });
    this.#plan('register', 0);
  }

  /** The answer to a report that was sent under `session`. One that is late says nothing about the session of now. */
  async heard(answer: Answer, session: string): Promise<void> {
    if (session !== this.#standing.session || this.#standing.phase === 'registering') return;
    await this.#apply(judge(answer, this.#standing.cluster));
  }

  async #readSentinel(): Promise<void> {
    const { log, node } = this.#options;
    const found = await this.#options.readSentinel().catch((error): Found => {
      log.warn({ node, err: error }, 'the bad sentinel could not be set aside');
      return { kind: 'none' };
    });
    if (found.kind === 'bad') {
      log.warn(
        { node, reason: found.reason },
        'the sentinel was set aside (.bad); this node registers again',
      );
    }
    if (found.kind !== 'valid') return this.#plan('register', 0);
    this.#sentinel = found.sentinel;
    const { cluster, requester, session, membership } = found.sentinel;
    const phase = phaseOf(membership as Membership | '');
    this.#stand({ phase, session, cluster, requester, reason: '' });
    this.#plan('confirm', 0);
  }

  // Meanwhile something else may have become due: what was decided last counts.
  async #take(due: { step: Step }): Promise<void> {
    const { step } = due;
    const { log, node } = this.#options;
    const { session, cluster } = this.#standing;
    try {
      await this.#options.connected(this.#stopping.signal);
      const answer = await this.#options.ask(step === 'register' ? 'register' : 'update');
      if (this.#stopping.signal.aborted) return;
      // Registering is how a node leaves one cluster for another; only a confirmation can meet the wrong one.
      const outcome = judge(answer, step === 'register' ? '' : cluster);
      if (step === 'confirm' && session !== this.#standing.session) return;
      if (this.#due === due) this.#due = undefined;
      await this.#apply(outcome, step);
      this.#starting = false;
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      const extra = this.#mayLog(reasonOf(error));
      if (extra)
        log.warn(
          { node, err: error, ...extra },
          `no answer to our ${step === 'register' ? 'registration' : 'information'}; asking again`,
        );
      if (this.#due === due) this.#retry(step, waits.refused);
    }
  }

  async #apply(outcome: Outcome, step?: Step): Promise<void> {
    switch (outcome.kind) {
      case 'accepted':
        return this.#accepted(outcome, step);
      case 'rejected':
        return this.#rejected(outcome);
      case 'deleted':
        return this.#deleted(outcome.reason);
      case 'unknown':
        return this.#unknown(outcome.reason);
      case 'refused':
        return this.#refused(outcome.reason, step);
    }
  }

  async #accepted(outcome: Extract<Outcome, { kind: 'accepted' }>, step: Step | undefined): Promise<void> {
    const { clock, log, node, key } = this.#options;
    this.#failures = 0;
    const phase = phaseOf(outcome.membership);
    const now = clock.now().toISOString();
    if (step === 'register') {
      this.#acceptedAt = clock.monotonic();
      const { session, cluster, requester, membership } = outcome;
      this.#sentinel = { version: 1, node, key, cluster, requester, session, membership, registeredAt: now };
      if (phase === 'approved') this.#sentinel.approvedAt = now;
      this.#unwritten = true;
    } else if (this.#sentinel && this.#sentinel.membership !== outcome.membership && outcome.membership) {
      this.#sentinel = { ...this.#sentinel, membership: outcome.membership };
      if (phase === 'approved') this.#sentinel.approvedAt ??= now;
      this.#unwritten = true;
    }
    await this.#keepSentinel();
    const changed = phase !== this.#standing.phase;
    this.#stand({
      phase,
      session: step === 'register' ? outcome.session : this.#standing.session,
      cluster: outcome.cluster,
      requester: outcome.requester,
      reason: '',
    });
    if (step !== 'register' && !changed) return;
    const said = { pending: 'pending approval', approved: 'approved', registered: 'registered' }[phase];
    log.info(
      { node, requester: outcome.requester || undefined, cluster: outcome.cluster || undefined },
      said,
    );
  }

  async #rejected({ reason, session }: Extract<Outcome, { kind: 'rejected' }>): Promise<void> {
    const { log, node } = this.#options;
    const before = this.#standing.phase;
    if (before !== 'rejected') {
      log.warn(
        { node, reason },
        'this node was rejected by an operator; it keeps asking, in case that changes',
      );
      this.#failures = 0;
      await this.#void();
    }
    this.#stand({ phase: 'rejected', reason, session: session || this.#standing.session });
    this.#retry('register', waits.rejected);
  }

  async #deleted(reason: string): Promise<void> {
    const { log, node, rejoinAfterDelete } = this.#options;
    await this.#void();
    // A start is how somebody registers a deleted node by hand.
    if (this.#starting || rejoinAfterDelete()) {
      log.info({ node }, 'this node was deleted by an operator; it registers anew');
      this.#stand({ phase: 'registering', reason: '', session: '' });
      return this.#plan('register', 0);
    }
    log.warn(
      { node },
      'this node was deleted by an operator; it is quiet until: muster agent register, SIGHUP, or a restart',
    );
    this.#due = undefined;
    this.#stand({ phase: 'deleted', reason, session: '' });
  }

  async #unknown(reason: string): Promise<void> {
    const { clock, random, log, node } = this.#options;
    const stable = this.#acceptedAt === undefined || clock.monotonic() - this.#acceptedAt >= waits.stable;
    if (stable) this.#voids = 0;
    const wait = this.#voids === 0 ? 0 : backoff(random, this.#voids, waits.void.first, waits.void.cap);
    this.#voids++;
    log.info({ node, reason }, 'the requester does not know this registration; registering again');
    await this.#void();
    this.#stand({ phase: 'registering', reason, session: '' });
    this.#plan('register', Math.max(wait, this.#voids === 1 ? 0 : waits.void.first));
  }

  #refused(reason: string, step: Step | undefined): void {
    const { log, node } = this.#options;
    const extra = this.#mayLog(reason);
    if (extra) log.warn({ node, reason, ...extra }, 'the requester refused; asking again');
    if (!step) return;
    if (step === 'register') this.#stand({ reason });
    this.#retry(step, waits.refused);
  }

  #retry(step: Step, { first, cap }: { first: number; cap: number }): void {
    this.#plan(step, backoff(this.#options.random, this.#failures++, first, cap));
  }

  #plan(step: Step, wait: number): void {
    this.#due = { step, at: this.#options.clock.monotonic() + wait };
    this.#wake.abort();
  }

  async #pause(wait: number): Promise<void> {
    this.#wake = new AbortController();
    if (wait === Number.POSITIVE_INFINITY) {
      await new Promise(resolve => this.#wake.signal.addEventListener('abort', resolve, { once: true }));
    } else await sleep(this.#options.clock, wait, this.#wake.signal);
  }

  // A sentinel that cannot be written costs a registration at the next start, no more: the node goes on.
  async #keepSentinel(): Promise<void> {
    if (!this.#unwritten || !this.#sentinel) return;
    try {
      await this.#options.writeSentinel(this.#sentinel);
      this.#unwritten = false;
    } catch (error) {
      const extra = this.#mayLog('sentinel');
      if (extra)
        this.#options.log.warn(
          { err: error, ...extra },
          'the sentinel could not be written; tried again with the next report',
        );
    }
  }

  async #void(): Promise<void> {
    this.#sentinel = undefined;
    this.#unwritten = false;
    try {
      await this.#options.voidSentinel();
    } catch (error) {
      const extra = this.#mayLog('void');
      if (extra)
        this.#options.log.warn(
          { err: error, ...extra },
          'the void sentinel could not be removed; the requester decides anyway',
        );
    }
  }

  #stand(change: Partial<Standing>): void {
    const next = { ...this.#standing, ...change };
    const same = (Object.keys(next) as (keyof Standing)[]).every(key => next[key] === this.#standing[key]);
    this.#standing = next;
    if (!same) this.#options.changed(next);
  }
}

function phaseOf(membership: Membership | ''): 'pending' | 'approved' | 'registered' {
  if (membership === 'PENDING') return 'pending';
  return membership === 'APPROVED' ? 'approved' : 'registered';
}
