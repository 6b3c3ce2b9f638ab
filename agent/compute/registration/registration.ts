// The agent's registration: when to register, when the sentinel serves instead, and what each answer changes (design 5).
import type { Answer } from '../../protocol/answers.ts';
import { fingerprint } from '../../protocol/nkey.ts';
import type { Membership } from '../../protocol/node-state.ts';
import { type Clock, sleep } from '../../system/clock.ts';
import { reasonOf } from '../../system/errors.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { backoff, type Random } from '../../system/random.ts';
import { judge, type Outcome } from './judgement.ts';
import { KeptSentinel } from './kept-sentinel.ts';
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

/** Registering, or asking what the requester knows of us by an information update. */
type Step = 'register' | 'confirm';

export class Registration {
  readonly #options: RegistrationOptions;
  readonly #sentinel: KeptSentinel;
  readonly #stopping = new AbortController();
  readonly #limitedLog: LimitedLog;
  #standing: Standing = { phase: 'registering', session: '', cluster: '', requester: '', reason: '' };
  /** What to do next, and not before when (monotonic milliseconds). */
  #due: { step: Step; at: number } | undefined;
  #wake = new AbortController();
  #asking = false;
  #nudged = false;
  /** No requester has decided anything since this process started. */
  #starting = true;
  /** Asked in vain since the last acceptance. */
  #failures = 0;
  /** Voided in a row, none having lasted. */
  #voids = 0;
  /** Since when this registration is accepted. */
  #acceptedAt: number | undefined;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    this.#limitedLog = limitedLog(options.log, options.clock);
    this.#sentinel = new KeptSentinel({ ...options, limitedLog: this.#limitedLog });
  }

  get standing(): Standing {
    return this.#standing;
  }

  /** Runs until stopped; what is being written then is written. */
  async run(): Promise<void> {
    const kept = await this.#sentinel.load();
    // A registration by hand may have come first.
    if (!this.#due) {
      // Nothing is reported under the sentinel yet: the answer to the first question decides.
      if (kept) this.#stand({ session: kept.session, cluster: kept.cluster, requester: kept.requester });
      this.#plan(kept ? 'confirm' : 'register', 0);
    }
    while (!this.#stopping.signal.aborted) {
      const due = this.#due;
      const wait = due ? due.at - this.#options.clock.monotonic() : Number.POSITIVE_INFINITY;
      if (due && wait <= 0) await this.#take(due.step);
      else await this.#pause(wait);
    }
    await this.#sentinel.settle();
  }

  stop(): void {
    this.#stopping.abort();
    this.#wake.abort();
  }

  /** Something may have changed at the requester: ask now. An event is no more than this. */
  nudge(): void {
    const { phase } = this.#standing;
    // What is on its way may have been answered before the change.
    if (this.#asking) this.#nudged = true;
    else if (phase === 'rejected' || isReporting(phase)) this.#plan('confirm', 0);
  }

  /** By hand: registers anew, whatever stands. */
  register(): void {
    this.#failures = 0;
    this.#registerAgain('', 0);
  }

  /** The answer to a report that was sent under `session`. One that is late says nothing about the session of now. */
  heard(answer: Answer, session: string): void {
    if (this.#stopping.signal.aborted || session !== this.#standing.session) return;
    if (isReporting(this.#standing.phase)) this.#apply(judge(answer, this.#standing.cluster));
  }

  async #take(step: Step): Promise<void> {
    const { connected, ask } = this.#options;
    const { signal } = this.#stopping;
    // Registering is how a node leaves one cluster for another; only a confirmation can meet the wrong one.
    const cluster = step === 'register' ? '' : this.#standing.cluster;
    this.#due = undefined;
    this.#asking = true;
    const conclude = await connected(signal)
      .then(() => unlessAborted(ask(step === 'register' ? 'register' : 'update'), signal))
      .then(
        answer => () => this.#apply(judge(answer, cluster), step),
        (error: unknown) => () => this.#unanswered(step, error),
      );
    this.#asking = false;
    const nudged = this.#nudged;
    this.#nudged = false;
    // What was decided meanwhile counts, not this.
    if (signal.aborted || this.#due) return;
    conclude();
    if (nudged) this.nudge();
  }

  #apply(outcome: Outcome, step?: Step): void {
    switch (outcome.kind) {
      case 'accepted':
        this.#accepted(outcome, step);
        break;
      case 'rejected':
        this.#rejected(outcome);
        break;
      case 'deleted':
        this.#deleted(outcome.reason);
        break;
      case 'unknown':
        this.#unknown(outcome.reason);
        break;
      case 'refused':
        this.#refused(outcome.reason, step);
        return;
    }
    this.#starting = false;
  }

  #accepted(outcome: Extract<Outcome, { kind: 'accepted' }>, step: Step | undefined): void {
    const { clock, log, node, key } = this.#options;
    const before = this.#standing;
    const isNew = step === 'register';
    const phase = phaseOf(outcome.membership);
    // A Bacalhau requester that answers a confirmation does not say who it is: it is the one we know.
    const cluster = outcome.cluster || (isNew ? '' : before.cluster);
    const requester = outcome.requester || (isNew ? '' : before.requester);
    const session = isNew ? outcome.session : before.session;
    this.#failures = 0;
    this.#acceptedAt ??= clock.monotonic();
    this.#stand({ phase, session, cluster, requester, reason: '' });

    const now = clock.now().toISOString();
    const kept = isNew ? undefined : this.#sentinel.value;
    const membership = outcome.membership || kept?.membership || '';
    const registeredAt = kept?.registeredAt ?? now;
    const sentinel: Sentinel = {
      version: 1,
      node,
      key,
      cluster,
      requester,
      session,
      membership,
      registeredAt,
    };
    const approvedAt = kept?.approvedAt ?? (phase === 'approved' ? now : undefined);
    if (approvedAt) sentinel.approvedAt = approvedAt;
    const written = this.#sentinel.set(sentinel);
    if (!isNew && phase === before.phase) return;
    const said = { pending: 'pending approval', approved: 'approved', registered: 'registered' }[phase];
    const fields = {
      node,
      requester: requester || undefined,
      cluster: cluster || undefined,
      fingerprint: phase === 'pending' ? fingerprint(key) : undefined,
    };
    void written.then(() => log.info(fields, said));
  }

  #rejected({ reason, session }: Extract<Outcome, { kind: 'rejected' }>): void {
    const { log, node } = this.#options;
    if (this.#standing.phase !== 'rejected') {
      log.warn(
        { node, reason },
        'this node was rejected by an operator; it keeps asking, in case that changes',
      );
      this.#failures = 0;
      void this.#sentinel.set(undefined);
    }
    this.#stand({ phase: 'rejected', reason, session: session || this.#standing.session });
    // By its information: a registration would bring back a node that was deleted meanwhile.
    this.#retry('confirm', waits.rejected);
  }

  #unknown(reason: string): void {
    const { log, node } = this.#options;
    log.info({ node, reason }, 'the requester does not know this registration; registering again');
    this.#voided(reason);
  }

  #deleted(reason: string): void {
    const { log, node, rejoinAfterDelete } = this.#options;
    // A start is how somebody registers a deleted node by hand.
    if (this.#starting || rejoinAfterDelete()) {
      log.info({ node }, 'this node was deleted by an operator; it registers anew');
      this.#voided('');
      return;
    }
    this.#due = undefined;
    this.#stand({ phase: 'deleted', reason, session: '' });
    const quiet =
      'this node was deleted by an operator; it is quiet until: muster agent register, SIGHUP, or a restart';
    void this.#sentinel.set(undefined).then(() => log.warn({ node }, quiet));
  }

  // At once the first time; one that does not last makes the next wait longer.
  #voided(reason: string): void {
    const { clock, random } = this.#options;
    const lasted = this.#acceptedAt !== undefined && clock.monotonic() - this.#acceptedAt >= waits.stable;
    if (lasted) this.#voids = 0;
    const wait = this.#voids === 0 ? 0 : backoff(random, this.#voids, waits.void.first, waits.void.cap);
    this.#voids++;
    this.#registerAgain(reason, wait);
  }

  #registerAgain(reason: string, wait: number): void {
    this.#acceptedAt = undefined;
    void this.#sentinel.set(undefined);
    this.#stand({ phase: 'registering', reason, session: '' });
    this.#plan('register', wait);
  }

  #refused(reason: string, step: Step | undefined): void {
    const { node } = this.#options;
    this.#limitedLog.warn(reason, { node, reason }, 'the requester refused; asking again');
    if (step) this.#askLater(step, reason);
  }

  #unanswered(step: Step, error: unknown): void {
    const { node } = this.#options;
    const text = `no answer to our ${step === 'register' ? 'registration' : 'information'}; asking again`;
    this.#limitedLog.warn(reasonOf(error), { node, err: error }, text);
    this.#askLater(step, '');
  }

  // As long as nobody says otherwise, the sentinel is right: its node reports.
  #askLater(step: Step, reason: string): void {
    const kept = this.#sentinel.value;
    if (step === 'confirm' && kept) this.#stand({ phase: phaseOf(kept.membership) });
    if (step === 'register' && reason) this.#stand({ reason });
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

  #stand(change: Partial<Standing>): void {
    const next = { ...this.#standing, ...change };
    const same = (Object.keys(next) as (keyof Standing)[]).every(key => next[key] === this.#standing[key]);
    this.#standing = next;
    if (!same) this.#options.changed(next);
  }
}

/** Whether a node in this phase sends all its reports. */
export const isReporting = (phase: Phase): boolean =>
  phase === 'pending' || phase === 'approved' || phase === 'registered';

function phaseOf(membership: Membership | ''): 'pending' | 'approved' | 'registered' {
  if (membership === 'PENDING') return 'pending';
  return membership === 'APPROVED' ? 'approved' : 'registered';
}

/** What `work` comes to, unless `signal` aborts first: then it rejects, and nobody waits for the work. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new Error('stopped'));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
