// Carries out what operators decide about nodes and their keys, and says in the log who decided what.
import { fingerprint } from '../../protocol/nkey.ts';
import type { NodeInfo } from '../../protocol/node-info.ts';
import type { Clock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import type { Log } from '../../system/log.ts';
import type { KeyDecisions } from '../enrolment/key-decisions.ts';
import type { Act } from '../events/requester-events.ts';
import {
  approveNode,
  type Decision,
  type DecisionRule,
  deleteNode,
  deleteRequester,
  rejectNode,
  rekeyNode,
} from '../roll/decisions.ts';
import { withPinnedKey } from '../roll/node-key.ts';
import type { Roll } from '../roll/roll.ts';
import type { StoredRecord } from '../roll/stored-record.ts';
import type { Peers } from '../watcher/peers.ts';
import type { DirectoryFaults } from './directory-faults.ts';

export interface NodeDecisionsOptions {
  clock: Clock;
  log: Log;
  faults: DirectoryFaults;
  /** Returns the parts; throws MusterError `unreachable` while the requester is not ready. */
  parts(): { roll: Roll; keys: KeyDecisions | undefined; peers: Pick<Peers, 'list'> };
  /** This requester. */
  self: Pick<NodeInfo, 'NodeID'>;
}

/** The methods are those of the same names in `Directory`. */
export class NodeDecisions {
  readonly #options: NodeDecisionsOptions;

  constructor(options: NodeDecisionsOptions) {
    this.#options = options;
  }

  approve(name: string, decision: Decision): Promise<void> {
    return this.#decide(name, decision, approveNode, 'node approved');
  }

  reject(name: string, decision: Decision): Promise<void> {
    return this.#decide(name, decision, rejectNode, 'node rejected');
  }

  async delete(name: string, decision: Decision & { isBan?: boolean }): Promise<void> {
    if (decision.isBan) await this.#ban(name, decision);
    const rule = this.#isGoneRequester(name) ? deleteRequester : deleteNode;
    await this.#decide(name, decision, rule, 'node deleted');
  }

  /** Returns whether this is the id of another requester that is not heard. */
  #isGoneRequester(id: string): boolean {
    const { self, parts } = this.#options;
    const { roll, peers } = parts();
    const isOther = roll.records.get(id)?.Info.NodeType === 'Requester' && id !== self.NodeID;
    return isOther && !peers.list().some(({ requester }) => requester === id);
  }

  async rekey(name: string, decision: Decision): Promise<void> {
    const id = this.#resolve(name, decision);
    const key = this.#keys().refusedKey(id, decision.fingerprint ?? '');
    await this.#decide(name, decision, rekeyNode(key), 'node got another key');
  }

  async unban(wanted: string, act: Act): Promise<void> {
    await this.#keys().unban(wanted, act);
  }

  async #decide(name: string, decision: Decision, rule: DecisionRule, text: string): Promise<void> {
    const { log, faults, parts } = this.#options;
    const { roll, keys } = parts();
    const keyBefore = keys?.keyOf(name);
    const ruleWithKey: DecisionRule = (stored, ...rest) => rule(this.#withKey(stored), ...rest);
    const node = await roll
      .decide(name, decision, ruleWithKey)
      .catch(error => faults.throwUndecided(error, name));
    // The operator's command ends when the decision is in force: the connection of a deleted node is ended then.
    await keys?.untilFollowed(node);
    const key = keys?.keyOf(node) ?? keyBefore;
    const { reason, actor, claimedActor } = decision;
    const fields = { node, fingerprint: key ? fingerprint(key) : 'unverified', reason, actor, claimedActor };
    log.info(fields, text);
  }

  // The key is banned before its node is deleted, so that a crash in between leaves no stolen node that comes back. A
  // decision that is refused bans nobody.
  async #ban(name: string, decision: Decision): Promise<void> {
    const { clock, faults, parts } = this.#options;
    const id = this.#resolve(name, decision);
    const at = clock.now().toISOString();
    deleteNode(this.#withKey(parts().roll.records.stored(id)), name, decision, at);
    await this.#keys()
      .ban(id, decision, at)
      .catch(error => faults.throwUndecided(error, id));
  }

  #withKey(stored: StoredRecord): StoredRecord {
    const { keys } = this.#options.parts();
    return stored.kind === 'record' ? withPinnedKey(stored, keys?.keyOf(stored.state.Info.NodeID)) : stored;
  }

  #resolve(name: string, { isExact }: Decision): string {
    const { records } = this.#options.parts().roll;
    return isExact ? records.resolveExact(name) : records.resolve(name);
  }

  #keys(): KeyDecisions {
    const { keys } = this.#options.parts();
    if (keys) return keys;
    throw new MusterError(
      'conflict',
      'the NATS in nats.servers does not ask this requester whom to let in, so no key is checked',
      {
        hint: 'put what this prints into the configuration of each of its servers, and start them again: muster broker config',
      },
    );
  }
}
