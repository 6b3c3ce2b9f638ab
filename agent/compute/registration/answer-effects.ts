// What the answers of a requester make of this node's registration: its phase, its sentinel, and the request that comes next.

import type { Cordon } from '../../protocol/cordon.ts';
import { fingerprint } from '../../protocol/nkey.ts';
import type { Membership } from '../../protocol/node-state.ts';
import type { Clock } from '../../system/clock.ts';
import type { LimitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import type { StateFile } from '../../system/state-file.ts';
import type { AnswerMeaning } from './answer-meaning.ts';
import type { RequestPlan, Step } from './request-plan.ts';
import type { RetryDelays } from './retry-delays.ts';
import type { Sentinel } from './sentinel.ts';
import type { RegistrationState, RequestKind } from './state.ts';

export interface AnswerEffectsOptions {
  clock: Clock;
  log: Log;
  limitedLog: LimitedLog;
  node: string;
  /** The node's public key, which changes when the node exchanges it. */
  readonly key: string;
  state: RegistrationState;
  sentinel: StateFile<Sentinel | undefined>;
  settings: { readonly rejoinAfterDelete: boolean };
  /** Whether the agent starts, which counts as a registration by hand. */
  isStart: boolean;
  plan: RequestPlan;
  delays: RetryDelays;
  /** Called after each change of the state. */
  onChange(): void;
}

export class AnswerEffects {
  readonly #options: AnswerEffectsOptions;
  /** Whether the agent has started, and no requester has decided about this node since. A refusal is no decision. */
  #isStarting: boolean;
  /** Whether an operator told this node to register, and no requester has accepted it since. */
  #isByHand = false;

  constructor(options: AnswerEffectsOptions) {
    this.#options = options;
    this.#isStarting = options.isStart;
  }

  /** Whether the node may come back although an operator deleted it. */
  get mayComeBack(): boolean {
    return this.#isStarting || this.#isByHand || this.#options.settings.rejoinAfterDelete;
  }

  /** Notes that an operator wants this node to register. */
  onRegisterByHand(): void {
    this.#isByHand = true;
  }

  /** Applies an answer; `step` is undefined when the answer belongs to a report. */
  apply(meaning: AnswerMeaning, kind: RequestKind, step?: Step): void {
    switch (meaning.kind) {
      case 'accepted':
        this.#onAccepted(meaning, kind, step);
        break;
      case 'rejected':
        this.#onRejected(meaning);
        break;
      case 'deleted':
        this.onDeleted(meaning);
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

  /** Applies that an operator deleted this node. */
  onDeleted({ reason, operatorReason }: Extract<AnswerMeaning, { kind: 'deleted' }>): void {
    const { log, node, settings, sentinel } = this.#options;
    if (this.#isStarting || settings.rejoinAfterDelete) {
      log.info({ node }, 'this node was deleted by an operator; it registers again');
      this.registerAgain('', this.#options.delays.afterVoidMs());
      return;
    }
    this.#options.plan.cancel();
    this.update({ phase: 'deleted', reason, operatorReason, refused: '', session: '' });
    this.#followCordon(undefined);
    const text =
      'this node was deleted by an operator; it is quiet until: muster agent register, SIGHUP, or a restart';
    const fields = { node, reason: operatorReason || undefined };
    void sentinel.set(undefined).then(() => log.warn(fields, text));
  }

  /** Plans a registration in `waitMs` milliseconds, in place of what is known of this node. */
  registerAgain(reason: string, waitMs: number): void {
    void this.#options.sentinel.set(undefined);
    this.update({ phase: 'registering', reason, operatorReason: '', refused: '', session: '' });
    this.#options.plan.planIn('register', waitMs);
  }

  /**
   * Plans another attempt of a step that got no answer. The registration in the sentinel is valid until a requester contradicts
   * it, so the node continues to send reports.
   */
  retryLater(step: Step): void {
    const saved = this.#options.sentinel.value;
    if (step === 'confirm' && saved) this.update({ phase: phaseOf(saved.membership) });
    this.#options.plan.planIn(step, this.#options.delays.afterFailureMs());
  }

  /** Changes the state, and tells when that differs from before. */
  update(change: Partial<RegistrationState>): void {
    const { state } = this.#options;
    let hasChanged = false;
    for (const key of Object.keys(change) as (keyof RegistrationState)[]) {
      if (change[key] !== state[key]) hasChanged = true;
    }
    if (!hasChanged) return;
    Object.assign(state, change);
    this.#options.onChange();
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
    this.#options.delays.onAccepted();
    this.#isByHand = false;
    // A refusal stands until a request of the same kind is carried out: a requester may take the resources of a node whose
    // information it refuses.
    const refusal = state.refused && state.refused !== kind ? {} : ({ refused: '', reason: '' } as const);
    // A registration says nothing about what the requester keeps, nor do the resources at an early orchestrator of Bacalhau.
    const forgotten = isNew || kind === 'resources' ? state.forgotten : 0;
    this.update({
      phase,
      session,
      cluster,
      requester,
      forgotten,
      operatorReason: '',
      refusal: undefined,
      ...refusal,
    });
    this.#followCordon(meaning.cordon);

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
    const { reason, operatorReason, session, isBacalhau } = meaning;
    const { log, node, state, sentinel } = this.#options;
    if (state.phase !== 'rejected') {
      const text = 'this node was rejected by an operator; it keeps asking, in case that changes';
      log.warn({ node, reason: operatorReason || reason }, text);
      this.#options.delays.restart();
      void sentinel.set(undefined);
    }
    this.update({
      phase: 'rejected',
      reason,
      operatorReason,
      refused: '',
      session: session || state.session,
    });
    this.#followCordon(meaning.cordon);
    // It confirms and does not register, because a registration would bring back a node that was deleted in the meantime. But an
    // orchestrator of Bacalhau from 1.6 on takes the information of a node that is rejected, and refuses only its registration.
    this.#options.plan.planIn(isBacalhau ? 'register' : 'confirm', this.#options.delays.whileRejectedMs());
  }

  // Each answer brings the cordon anew, so what it says is compared.
  #followCordon(cordon: Cordon | undefined): void {
    const { state, log, node } = this.#options;
    if (JSON.stringify(cordon) === JSON.stringify(state.cordon)) return;
    this.update({ cordon });
    const { Reason: reason, Until: until, Drain: drain } = cordon ?? {};
    const text = drain
      ? 'this node is drained: it gets no new work'
      : 'this node is cordoned: it gets no new work';
    if (cordon) log.info({ node, reason: reason || undefined, until, drainedAt: drain?.DrainedAt }, text);
    else log.info({ node }, 'this node is not cordoned any more');
  }

  #onUnknown(reason: string): void {
    const { log, node, state } = this.#options;
    this.update({ forgotten: state.forgotten + 1 });
    log.info({ node, reason }, 'the requester does not know this registration; registering again');
    this.registerAgain(reason, this.#options.delays.afterVoidMs());
  }

  #onRefused(reason: string, kind: RequestKind, step: Step | undefined): void {
    const { node, limitedLog, state } = this.#options;
    limitedLog.warn(reason, { node, reason }, 'the requester refused; asking again');
    // A rejection says more than a refusal for now, so it stays what is shown.
    const isShown = state.phase !== 'rejected' && (kind === 'information' || state.refused !== 'information');
    if (isShown) this.update({ refused: kind, reason });
    if (step) this.retryLater(step);
  }
}

function phaseOf(membership: Membership | ''): 'pending' | 'approved' | 'registered' {
  if (membership === 'PENDING') return 'pending';
  return membership === 'APPROVED' ? 'approved' : 'registered';
}
