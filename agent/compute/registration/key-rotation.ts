// Exchanges the key of this node for a new one. The new key is on the disk before the requester hears of it, and takes the
// place of the old one when the requester says that it knows it: in its answer, or by refusing the old key.
import { rotationText } from '../../protocol/key-rotation.ts';
import { fingerprint } from '../../protocol/nkey.ts';
import type { Refusal } from '../../protocol/refusal.ts';
import type { Clock, Timer } from '../../system/clock.ts';
import { MusterError, reasonOf } from '../../system/errors.ts';
import type { LimitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { backoff, type Random } from '../../system/random.ts';
import { signWith } from '../../transport/key-pair.ts';
import type { Connection } from '../../transport/port.ts';
import type { Identity } from './identity.ts';
import type { NodeKey } from './node-key.ts';
import type { RequesterClient } from './requester-client.ts';

/** How the last exchange of the key went; `none` when there was none since this process started. */
export type RotationProgress =
  | { kind: 'none' }
  | { kind: 'asking' }
  | { kind: 'done'; before: string; fingerprint: string }
  | { kind: 'refused'; reason: string };

export interface KeyRotationOptions {
  node: string;
  key: Pick<NodeKey, 'publicKey' | 'next' | 'makeNext' | 'promote' | 'drop'>;
  client: Pick<RequesterClient, 'rotateKey'>;
  connection: Pick<Connection, 'state' | 'reconnect'>;
  clock: Clock;
  random: Random;
  log: Log;
  limitedLog: LimitedLog;
}

/** The waits after a question that got no answer, in milliseconds. */
const waits = { firstMs: 1_000, maxMs: 120_000 };

export class KeyRotation {
  readonly #options: KeyRotationOptions;
  /** Called after the node got another key. The agent sets it. */
  onChanged: () => void = () => undefined;
  #progress: RotationProgress = { kind: 'none' };
  #isAsking = false;
  #isStopped = false;
  #failures = 0;
  #timer: Timer | undefined;

  constructor(options: KeyRotationOptions) {
    this.#options = options;
  }

  get progress(): RotationProgress {
    return this.#progress;
  }

  /** Makes a new key and asks the requester to take it. Resolves when the key is on the disk. @throws as `makeNext` */
  async begin(): Promise<void> {
    await this.#options.key.makeNext();
    this.#progress = { kind: 'asking' };
    this.resume();
  }

  /** Asks the requester, if there is a new key that it may not know. The agent calls it when the requester takes requests. */
  resume(): void {
    const { key, connection } = this.#options;
    if (!key.next || this.#isAsking || this.#isStopped || connection.state.kind !== 'connected') return;
    this.#timer?.cancel();
    this.#isAsking = true;
    void this.#ask(key.next).finally(() => {
      this.#isAsking = false;
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /**
   * Takes the new key when a refusal of the present one says that the requester knows the new one. Returns whether it does:
   * the answer about the exchange was lost.
   */
  async onRefused({ record }: Refusal): Promise<boolean> {
    const { next } = this.#options.key;
    if (!next || record?.fingerprint !== next.fingerprint) return false;
    await this.#change(next);
    return true;
  }

  async #ask(next: Identity): Promise<void> {
    const { node, key, client, limitedLog, log } = this.#options;
    const text = rotationText(node, key.publicKey, next.publicKey);
    try {
      const signature = signWith(next, text).toString('base64url');
      const answer = await client.rotateKey(next.publicKey, signature);
      // A refusal of the old key may have said meanwhile that the requester knows the new one.
      if (key.next !== next || this.#isStopped) return;
      if (answer.accepted) return await this.#change(next);
      if (answer.muster?.Code === 'unavailable') throw new Error(answer.reason);
      this.#progress = { kind: 'refused', reason: answer.reason };
      log.warn({ node, reason: answer.reason }, 'the requester refuses the new key of this node');
      await key.drop();
    } catch (err) {
      if (key.next !== next || this.#isStopped) return;
      limitedLog.warn(
        reasonOf(err),
        { node, err },
        'the new key of this node is not taken yet; asking again',
      );
      this.#askLater();
    }
  }

  #askLater(): void {
    const { clock, random } = this.#options;
    const waitMs = backoff(random, this.#failures++, waits.firstMs, waits.maxMs);
    this.#timer = clock.after(waitMs, () => this.resume());
  }

  async #change(next: Identity): Promise<void> {
    const { node, key, connection, log } = this.#options;
    const before = fingerprint(key.publicKey);
    // The requester ends the connection of the old key. From here on, each attempt to connect shows the new one.
    const promoted = key.promote();
    this.#failures = 0;
    this.onChanged();
    connection.reconnect();
    await promoted.catch(err => {
      if (!(err instanceof MusterError)) throw err;
      const text = 'the file of the old key could not be replaced; it is tried again at the next start';
      log.error({ node, err }, text);
    });
    this.#progress = { kind: 'done', before, fingerprint: next.fingerprint };
    log.info({ node, fingerprint: next.fingerprint, before }, 'this node has another key now');
  }
}
