// Finds out why the requester does not let in the key of this node, and decides when the node connects again.
import type { Refusal } from '../../protocol/refusal.ts';
import type { LimitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import type { Connection } from '../../transport/port.ts';
import type { RequesterClient } from './requester-client.ts';
import type { RetryDelays } from './retry-delays.ts';
import type { RegistrationState } from './state.ts';

export interface RefusedKeyOptions {
  log: Log;
  limitedLog: LimitedLog;
  node: string;
  state: Readonly<RegistrationState>;
  connection: Pick<Connection, 'reconnect' | 'standBy'>;
  client: Pick<RequesterClient, 'whyRefused'>;
  delays: RetryDelays;
  /** Aborts when the registration ends. */
  stopping: AbortSignal;
  /** Returns whether the node may come back although an operator deleted it. */
  mayComeBack(): boolean;
  /** Called with each reason for which the key is refused, except that the node was deleted. */
  onRefused(refusal: Refusal): void;
  /** Called when the key is refused because the node was deleted, unless the state says so already. */
  onDeleted(refusal: Refusal): void;
}

/** Time until the node of a deleted record connects again to see whether it is still deleted, in milliseconds. */
const deletedPauseMs = 600_000;

export class RefusedKey {
  readonly #options: RefusedKeyOptions;
  /** Whether the requester is being asked why it refused the key. */
  #isAskingWhy = false;

  constructor(options: RefusedKeyOptions) {
    this.#options = options;
  }

  /**
   * Leaves the broker when the requester no longer lets in the key of this node. A deleted node sends nothing by which it
   * would notice that.
   */
  async onConnectedAgain(): Promise<void> {
    const { client, state, log, node, stopping } = this.#options;
    if (state.phase !== 'deleted') return;
    try {
      const refusal = await client.whyRefused();
      if (refusal?.code === 'deleted' && !stopping.aborted) this.#onKeyDeleted(refusal);
    } catch (err) {
      log.debug({ node, err }, 'nobody says whether the key of this deleted node is refused');
    }
  }

  /** Finds out why the broker does not permit this node's requests, and connects again later. */
  async onNotPermitted(): Promise<void> {
    const { client, connection, delays, limitedLog, node, stopping } = this.#options;
    if (this.#isAskingWhy || stopping.aborted) return;
    this.#isAskingWhy = true;
    try {
      const refusal = await client.whyRefused();
      if (stopping.aborted || !refusal) return;
      if (refusal.code === 'deleted') return this.#onKeyDeleted(refusal);
      this.#options.onRefused(refusal);
      const waitMs = delays.whileKeyRefusedMs();
      const fields = { node, fingerprint: refusal.fingerprint, code: refusal.code };
      limitedLog.warn(
        refusal.reason,
        fields,
        `the requester refuses this node: ${refusal.reason}; ${refusal.hint}`,
      );
      // An operator may give the record to this key, and the requester then ends this link to call the node back.
      if (refusal.code === 'conflict' || refusal.code === 'clone') connection.standBy(waitMs);
      else connection.reconnect(waitMs);
    } catch (err) {
      limitedLog.warn(
        'why',
        { node, err },
        'the broker permits no requests of this node, and nobody says why',
      );
      connection.reconnect(delays.whileKeyRefusedMs());
    } finally {
      this.#isAskingWhy = false;
    }
  }

  // The key of a deleted node may only ask why. What it needs is another connection, and that only when it may come back.
  #onKeyDeleted(refusal: Refusal): void {
    const { connection, delays, state } = this.#options;
    if (this.#options.mayComeBack()) connection.reconnect(delays.whileKeyRefusedMs());
    else {
      if (state.phase !== 'deleted') this.#options.onDeleted(refusal);
      connection.reconnect(deletedPauseMs);
    }
  }
}
