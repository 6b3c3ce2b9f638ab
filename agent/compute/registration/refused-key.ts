// Finds out why the requester does not let in the key of this node, and decides when the node connects again.
import type { Refusal } from '../../protocol/refusal.ts';
import { nodeIdPattern } from '../../protocol/schema.ts';
import { MusterError } from '../../system/errors.ts';
import type { LimitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { BrokerError, type BrokerFault, type Connection } from '../../transport/port.ts';
import type { RequesterClient } from './requester-client.ts';
import type { RetryDelays } from './retry-delays.ts';
import type { RegistrationState } from './state.ts';

export interface RefusedKeyOptions {
  log: Log;
  limitedLog: LimitedLog;
  node: string;
  /** Returns the fingerprint of the node's present key. */
  fingerprint(): string;
  state: Readonly<RegistrationState>;
  connection: Pick<Connection, 'reconnect' | 'standBy'>;
  client: Pick<RequesterClient, 'whyRefused'>;
  delays: RetryDelays;
  /** Aborts when the registration ends. */
  stopping: AbortSignal;
  /** Returns whether the node may come back although an operator deleted it. */
  mayComeBack(): boolean;
  /** Takes the new key of this node when the refusal says that the requester knows it. Returns whether it does. */
  onReplaced(refusal: Refusal): Promise<boolean>;
  /**
   * Takes the new id of this node. Returns whether the node goes on under it; false when it takes none. @throws MusterError when
   * the id cannot be kept
   */
  onRenamed(newId: string): Promise<boolean>;
  /** Changes the state of the registration. */
  update(change: Pick<RegistrationState, 'isAskingWhy'> | Pick<RegistrationState, 'refusal'>): void;
  /** Called when the node may send requests again. */
  onLetIn(): void;
  /** Called when the key of a node that was deleted is not refused any more: an operator may have brought it back. */
  onBroughtBack(): void;
  /** Called when the key is refused because the node was deleted, unless the state says so already. */
  onDeleted(refusal: Refusal): void;
}

interface PresentLink {
  /** Whether the broker has just refused a request on it. */
  permitsNothing: boolean;
}

/** Time until the node of a deleted record connects again to see whether it is still deleted, in milliseconds. */
const deletedPauseMs = 600_000;

export class RefusedKey {
  readonly #options: RefusedKeyOptions;
  /** Whether the node has waited on a refused link since it was deleted. */
  #hasWaited = false;
  /** Whether another agent takes the place of this one, because the node has another id. It sends nothing any more. */
  #isLeaving = false;
  /** The question that is being asked. */
  #asking: Promise<void> | undefined;

  constructor(options: RefusedKeyOptions) {
    this.#options = options;
  }

  /** The deletion is over: an operator wants this node to register again. */
  onRegisterByHand(): void {
    this.#hasWaited = false;
  }

  /**
   * Asks whether the key is still refused, when it was refused or when the node was deleted. A deleted node sends nothing by
   * which it would notice that.
   */
  async onConnectedAgain(): Promise<void> {
    const { state, log, node, connection, delays } = this.#options;
    // An earlier question was lost with the earlier link.
    await this.#asking;
    if (state.phase !== 'deleted' && !state.refusal) return;
    await this.#ask({ permitsNothing: false }, error => {
      log.debug({ node, err: error }, 'nobody says whether the key of this node is still refused');
      if (!state.refusal) return;
      if (isFault(error, 'not_permitted')) this.#onNothingPermitted();
      // The requester is away, or slow. Any other fault means that this broker does not know the question.
      else if (isFault(error, 'timeout')) connection.reconnect(delays.whileKeyRefusedMs());
      else this.#options.update({ refusal: undefined });
    });
  }

  /** Finds out why the broker does not permit this node's requests, and connects again later. */
  async onNotPermitted(): Promise<void> {
    const { connection, delays, limitedLog, node } = this.#options;
    if (this.#asking) return;
    await this.#ask({ permitsNothing: true }, error => {
      if (isFault(error, 'not_permitted')) {
        this.#onNothingPermitted();
        return;
      }
      const text = 'the broker permits no requests of this node, and nobody says why';
      limitedLog.warn('why', { node, err: error }, text);
      connection.reconnect(delays.whileKeyRefusedMs());
    });
  }

  /** Asks why the key is refused. `onFailure` is called when nobody answers, unless the link was lost. */
  async #ask(link: PresentLink, onFailure: (error: unknown) => void): Promise<void> {
    if (this.#options.stopping.aborted) return;
    this.#asking = this.#askAndApply(link, onFailure);
    await this.#asking;
    this.#asking = undefined;
  }

  async #askAndApply(link: PresentLink, onFailure: (error: unknown) => void): Promise<void> {
    const { client, state, stopping, update, onLetIn } = this.#options;
    update({ isAskingWhy: true });
    try {
      const refusal = await client.whyRefused();
      if (!stopping.aborted) await this.#onAnswer(refusal, link);
    } catch (error) {
      if (!stopping.aborted && !isFault(error, 'disconnected')) onFailure(error);
    }
    if (this.#isLeaving) return;
    update({ isAskingWhy: false });
    if (!stopping.aborted && !state.refusal) onLetIn();
  }

  /**
   * Shows that the broker permits neither requests nor the question why. So it is with a login that is not for nodes of muster,
   * such as the token of the nodes without a key.
   */
  #onNothingPermitted(): void {
    const { connection, delays, fingerprint } = this.#options;
    this.#show({
      code: 'not_permitted',
      reason: 'the broker lets this node neither register nor ask why, by the login that it has',
      hint: "at the broker of a requester, remove nats.servers and each login in nats.*, and join: muster agent join; at a NATS of your own, permit its user a node's subjects",
      fingerprint: fingerprint(),
    });
    connection.reconnect(delays.whileKeyRefusedMs());
  }

  /** Shows that the node is refused, and why. */
  #show(refusal: Refusal): void {
    const { limitedLog, node, update } = this.#options;
    update({ refusal });
    const { code, reason, hint, fingerprint } = refusal;
    const fields = { node, fingerprint, code };
    const refuses = code === 'not_permitted' ? '' : 'the requester refuses this node: ';
    limitedLog.warn(reason, fields, `${refuses}${reason}; ${hint}`);
  }

  async #onAnswer(refusal: Refusal | undefined, { permitsNothing }: PresentLink): Promise<void> {
    const { connection, delays, state, update } = this.#options;
    if (refusal?.code === 'deleted') {
      this.#onKeyDeleted(refusal);
      return;
    }
    this.#hasWaited = false;
    if (!refusal) {
      // A link on which the key was refused permits nothing more when the key is let in.
      if (permitsNothing && !state.refusal) connection.reconnect(delays.whileKeyRefusedMs());
      else if (state.phase === 'deleted') this.#options.onBroughtBack();
      update({ refusal: undefined });
      return;
    }
    if (await this.#options.onReplaced(refusal)) {
      update({ refusal: undefined });
      return;
    }
    const shown = await this.#afterRename(refusal);
    if (this.#isLeaving) return;
    this.#show(shown);
    const waitMs = delays.whileKeyRefusedMs();
    // An operator may give the record to this key, and the requester then ends this link to call the node back.
    if (['conflict', 'clone', 'renamed'].includes(shown.code)) connection.standBy(waitMs);
    else connection.reconnect(waitMs);
  }

  /**
   * Takes the new id that the refusal names, if it is this node that was renamed. Returns the refusal as it is shown, when the
   * node stays.
   */
  async #afterRename(refusal: Refusal): Promise<Refusal> {
    const { code, record, fingerprint } = refusal;
    if (code !== 'renamed' || !record || record.fingerprint !== fingerprint) return refusal;
    if (fingerprint !== this.#options.fingerprint() || !nodeIdPattern.test(record.id)) return refusal;
    try {
      this.#isLeaving = await this.#options.onRenamed(record.id);
      return refusal;
    } catch (error) {
      if (!(error instanceof MusterError)) throw error;
      const reason = `${refusal.reason}, and this node cannot keep its new id: ${error.message}`;
      return { ...refusal, reason, hint: error.hint ?? 'when that is mended, the node takes it by itself' };
    }
  }

  // The key of a deleted node may only ask why. What it needs is another connection, and that only when it may come back. An
  // operator may bring it back, most likely soon after a mistake: then the requester ends the link on which the node waits. The
  // broker ends it too, after half a minute, and from then on the node looks now and then.
  #onKeyDeleted(refusal: Refusal): void {
    const { connection, delays, state } = this.#options;
    if (this.#options.mayComeBack()) connection.reconnect(delays.whileKeyRefusedMs());
    else {
      if (state.phase !== 'deleted') this.#options.onDeleted(refusal);
      if (this.#hasWaited) connection.reconnect(deletedPauseMs);
      else connection.standBy(deletedPauseMs);
      this.#hasWaited = true;
    }
  }
}

const isFault = (error: unknown, fault: BrokerFault): boolean =>
  error instanceof BrokerError && error.fault === fault;
