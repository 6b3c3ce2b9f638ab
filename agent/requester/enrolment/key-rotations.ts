// Lets a node exchange its key for one that it made itself. The old key approves the new one: the request comes over a
// connection that only the old key could open.
import { isSignedByNext, type RotateKeyRequest } from '../../protocol/key-rotation.ts';
import { fingerprint } from '../../protocol/nkey.ts';
import type { Clock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import type { Log } from '../../system/log.ts';
import { TokenBuckets } from '../../system/token-buckets.ts';
import { type DecisionRule, rekeyNode } from '../roll/decisions.ts';
import type { RequestOutcome } from '../roll/membership.ts';
import { withPinnedKey } from '../roll/node-key.ts';
import type { Roll } from '../roll/roll.ts';
import type { Bans } from './bans.ts';
import type { Pins } from './pins.ts';

export interface KeyRotationsOptions {
  clock: Clock;
  log: Log;
  roll: Pick<Roll, 'decide'>;
  pins: Pick<Pins, 'of' | 'nodeOf'>;
  bans: Pick<Bans, 'of'>;
}

/** Each node may exchange its key three times at once, and then once in a minute: each time costs writes and an event. */
const limits = { burst: 3, refillMs: 60_000 };

export class KeyRotations {
  readonly #options: KeyRotationsOptions;
  readonly #turns: TokenBuckets;

  constructor(options: KeyRotationsOptions) {
    this.#options = options;
    this.#turns = new TokenBuckets(limits, () => options.clock.monotonic());
  }

  /**
   * Writes the new key into the record of the node. The pin follows, and the connection of the old key is ended. A request
   * that is repeated changes nothing. @throws BrokerError when the store does not answer; then the key may stand or not.
   */
  async rotate(id: string, request: RotateKeyRequest): Promise<RequestOutcome> {
    const { pins, roll, log } = this.#options;
    const present = pins.of(id)?.key;
    if (present === request.Key) return accepted;
    const refusal = this.#refusalOf(id, request, present);
    if (refusal || present === undefined) return refusal ?? withoutKey(id);
    const rule: DecisionRule = (stored, ...rest) => {
      const known = withPinnedKey(stored, present);
      const inRecord = known.kind === 'record' ? known.state.Muster?.PublicKey : present;
      if (inRecord !== present)
        throw new MusterError('conflict', `the key of node ${id} was exchanged meanwhile`);
      if (known.kind === 'record' && known.state.Membership === 'REJECTED')
        throw new MusterError('conflict', `node ${id} is rejected, and cannot exchange its key`);
      return rekeyNode(request.Key)(known, ...rest);
    };
    try {
      const reason = 'the node exchanged its key itself';
      await roll.decide(id, { reason, actor: id, isExact: true }, rule);
    } catch (error) {
      if (!(error instanceof MusterError) || error.code === 'in_use') throw error;
      return refused(error.code === 'unreachable' ? 'unavailable' : 'conflict', error.message);
    }
    const fields = { node: id, fingerprint: fingerprint(request.Key), before: fingerprint(present) };
    log.info(fields, 'a node exchanged its key');
    return accepted;
  }

  #refusalOf(id: string, request: RotateKeyRequest, present: string | undefined): RequestOutcome | undefined {
    const { pins, bans } = this.#options;
    if (present === undefined) return withoutKey(id);
    if (!isSignedByNext(request, present))
      return refused(
        'malformed',
        `the new key of node ${id} did not sign the request, or its present key is another`,
      );
    const shown = fingerprint(request.Key);
    if (bans.of(request.Key)) return refused('conflict', `the new key ${shown} is banned`);
    const owner = pins.nodeOf(request.Key);
    if (owner !== undefined) return refused('conflict', `the new key ${shown} belongs to node ${owner}`);
    if (this.#turns.take(id)) return undefined;
    const seconds = Math.ceil(this.#turns.untilTokenMs(id) / 1000);
    return refused('unavailable', `node ${id} exchanged its key too often; try again in ${seconds} s`);
  }
}

const accepted: RequestOutcome = { accepted: true, code: 'known', reason: '' };

/** Refuses a node whose key the broker does not check, so that there is nothing to exchange. */
export const withoutKey = (id: string): RequestOutcome =>
  refused('conflict', `node ${id} has no key that the requester checks, so there is none to exchange`);

function refused(code: 'conflict' | 'malformed' | 'unavailable', reason: string): RequestOutcome {
  return { accepted: false, code, reason };
}
