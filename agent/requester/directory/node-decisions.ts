// Carries out what operators decide about nodes and their keys, and says in the log who decided what.
import type { LabelChange } from '../../protocol/label.ts';
import { fingerprint } from '../../protocol/nkey.ts';
import type { NodeInfo } from '../../protocol/node-info.ts';
import type { RecordedChange } from '../../protocol/node-state.ts';
import type { Clock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import type { Log } from '../../system/log.ts';
import { printable } from '../../system/printable.ts';
import { BrokerError } from '../../transport/port.ts';
import type { KeyDecisions } from '../enrolment/key-decisions.ts';
import type { Act } from '../events/requester-events.ts';
import type { HealthWatch } from '../health/health-watch.ts';
import { knownSilenceMs } from '../health/known-silence.ts';
import type { OperationNotes } from '../operations/operation-notes.ts';
import type { Renames } from '../renames/renames.ts';
import { type CordonWish, cordonNode, drainNode, uncordonNode } from '../roll/cordon-rules.ts';
import {
  approveNode,
  type Decision,
  type DecisionRule,
  deleteNode,
  deleteRequester,
  givenUp,
  rejectNode,
  rekeyNode,
} from '../roll/decisions.ts';
import { labelNode } from '../roll/label-rules.ts';
import { withPinnedKey } from '../roll/node-key.ts';
import { UnwrittenError } from '../roll/record-writer.ts';
import type { Roll } from '../roll/roll.ts';
import { type Hearing, onlyAsShown } from '../roll/shown-rule.ts';
import type { StoredRecord } from '../roll/stored-record.ts';
import { forgetNode, undeleteNode } from '../roll/tombstones.ts';
import type { Peers } from '../watcher/peers.ts';
import type { DirectoryFaults } from './directory-faults.ts';

export interface NodeDecisionsOptions {
  clock: Clock;
  log: Log;
  faults: DirectoryFaults;
  /** Returns the parts; throws MusterError `unreachable` while the requester is not ready. */
  parts(): {
    roll: Roll;
    keys: KeyDecisions | undefined;
    peers: Pick<Peers, 'isThere'>;
    health: Pick<HealthWatch, 'silenceMs' | 'liveness' | 'health'>;
    renames: Pick<Renames, 'rename'>;
  };
  notes: OperationNotes;
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
    return this.#noted(name, decision, 'approve', () =>
      this.#decide(name, decision, approveNode, 'node approved'),
    );
  }

  reject(name: string, decision: Decision): Promise<void> {
    return this.#noted(name, decision, 'reject', () =>
      this.#decide(name, decision, rejectNode, 'node rejected'),
    );
  }

  delete(name: string, decision: Decision): Promise<void> {
    return this.#noted(name, decision, 'delete', async () => {
      if (decision.isBan && !(await this.#hasDecided(name, decision, 'deleted')))
        await this.#ban(name, decision);
      const rule = (await this.#isGoneRequester(name, decision)) ? deleteRequester : deleteNode;
      await this.#decide(name, decision, rule, 'node deleted');
    });
  }

  /** Returns whether an operator means another requester, and that one does not run. */
  async #isGoneRequester(name: string, decision: Decision): Promise<boolean> {
    const { self, parts, faults } = this.#options;
    const { roll, peers } = parts();
    const id = decision.isExact ? name : roll.records.find(name);
    if (id === undefined || id === self.NodeID) return false;
    if (roll.records.get(id)?.Info.NodeType !== 'Requester') return false;
    const isThere = await peers
      .isThere(id)
      .catch(error => faults.throwUndecided(unwritten(error), name, findOut(name, decision)));
    return !isThere;
  }

  rekey(name: string, decision: Decision): Promise<void> {
    return this.#noted(name, decision, 'rekey', async () => {
      // The key is not among the refused ones any more when the node has it.
      if (await this.#hasDecided(name, decision, 'rekeyed')) return;
      const id = this.#resolve(name, decision);
      const key = this.#keys().refusedKey(id, decision.fingerprint ?? '');
      await this.#decide(name, decision, rekeyNode(key), 'node got another key');
    });
  }

  cordon(name: string, decision: Decision & CordonWish): Promise<void> {
    return this.#noted(name, decision, 'cordon', () =>
      this.#decide(name, decision, cordonNode(decision), 'node cordoned'),
    );
  }

  drain(name: string, decision: Decision & CordonWish): Promise<void> {
    return this.#noted(name, decision, 'drain', () =>
      this.#decide(name, decision, drainNode(decision), 'node cordoned, to be drained'),
    );
  }

  uncordon(name: string, decision: Decision): Promise<void> {
    return this.#noted(name, decision, 'uncordon', () =>
      this.#decide(name, decision, uncordonNode, 'node uncordoned'),
    );
  }

  forget(name: string, decision: Decision & { silentForMs: number }): Promise<void> {
    const { parts } = this.#options;
    const isHealthy = (id: string) => parts().health.health(id) === 'HEALTHY';
    const rule = forgetNode(decision.silentForMs, this.#silenceOf, isHealthy);
    return this.#noted(name, decision, 'forget', () => this.#decide(name, decision, rule, 'node forgotten'));
  }

  undelete(name: string, decision: Decision): Promise<void> {
    const refuseKey = (id: string, key: string) => this.#options.parts().keys?.refuseForeign(id, key);
    return this.#noted(name, decision, 'undelete', () =>
      this.#decide(name, decision, undeleteNode(refuseKey), 'node brought back', 'undelete'),
    );
  }

  label(name: string, decision: Decision & { labels: LabelChange }): Promise<void> {
    return this.#noted(name, decision, 'label', () =>
      this.#decide(name, decision, labelNode(decision.labels), 'node labelled'),
    );
  }

  rename(name: string, decision: Decision & { newId: string }): Promise<void> {
    return this.#noted(name, decision, 'rename', async () => {
      const { log, faults, parts } = this.#options;
      const { newId, reason, actor, claimedActor, operation } = decision;
      if (await this.#hasDecided(name, decision, 'renamed')) return;
      const { renames, keys } = parts();
      await renames
        .rename(name, newId, decision)
        .catch(error => faults.throwUndecided(error, name, findOut(name, decision)));
      await keys?.untilFollowed(name);
      log.info({ node: name, newId, reason, actor, claimedActor, operation }, 'node renamed');
    });
  }

  async unban(wanted: string, act: Act): Promise<void> {
    const { notes } = this.#options;
    const about = { what: `the ban of key ${printable(wanted, 64)}`, action: 'lift' };
    await notes.during(act.operation, about, async () => this.#keys().unban(wanted, act));
  }

  /** Notes that an operation is under way, and whether it was refused, for whoever asks after it. */
  #noted(name: string, { operation }: Decision, action: string, work: () => Promise<void>): Promise<void> {
    return this.#options.notes.during(operation, { node: name, action }, work);
  }

  #hasDecided(name: string, decision: Decision, kind: RecordedChange['Kind']): Promise<boolean> {
    const { parts, faults } = this.#options;
    return parts()
      .roll.hasDecided(name, decision, kind)
      .catch(error => faults.throwUndecided(error, name, findOut(name, decision)));
  }

  async #decide(
    name: string,
    decision: Decision,
    rule: DecisionRule,
    text: string,
    how: 'decide' | 'undelete' = 'decide',
  ): Promise<void> {
    const { log, faults, parts } = this.#options;
    const { roll, keys } = parts();
    const keyBefore = keys?.keyOf(name);
    let isRepeated = false;
    const ruleAsShown = onlyAsShown(rule, this.#hearing);
    const ruleWithKey: DecisionRule = (stored, ...rest) => {
      const outcome = ruleAsShown(this.#withKey(stored), ...rest);
      isRepeated = outcome.write === undefined;
      if (!isRepeated && decision.isGivenUp?.()) throw givenUp(name);
      return outcome;
    };
    const node = await roll[how](name, decision, ruleWithKey).catch(error =>
      faults.throwUndecided(error, name, findOut(name, decision)),
    );
    // The operator's command ends when the decision is in force: the connection of a deleted node is ended then.
    await keys?.untilFollowed(node);
    const key = keys?.keyOf(node) ?? keyBefore;
    const { reason, actor, claimedActor, operation } = decision;
    const who = { actor, claimedActor, operation };
    if (isRepeated) log.debug({ node, ...who }, 'a decision was repeated, and is not made again');
    else log.info({ node, fingerprint: key ? fingerprint(key) : 'unverified', reason, ...who }, text);
  }

  // The key is banned before its node is deleted, so that a crash in between leaves no stolen node that comes back. A
  // decision that is refused bans nobody.
  async #ban(name: string, decision: Decision): Promise<void> {
    const { clock, faults, parts } = this.#options;
    const id = this.#resolve(name, decision);
    const at = clock.now().toISOString();
    const rule = onlyAsShown(deleteNode, this.#hearing);
    rule(this.#withKey(parts().roll.records.stored(id)), name, decision, at);
    if (decision.isGivenUp?.()) throw givenUp(name);
    await this.#keys()
      .ban(id, decision, at)
      .catch(error => faults.throwUndecided(error, id, findOut(id, decision)));
  }

  readonly #silenceOf = (id: string): number | undefined => {
    const { clock, parts } = this.#options;
    return knownSilenceMs(parts().health, id, clock.now());
  };

  readonly #hearing: Hearing = {
    silenceOf: this.#silenceOf,
    healthOf: id => this.#options.parts().health.health(id),
  };

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

const unwritten = (error: unknown): unknown =>
  error instanceof BrokerError ? new UnwrittenError(error.fault, error.message, { cause: error }) : error;

const findOut = (node: string, { operation }: Decision): string =>
  operation ? `muster explain ${operation}` : `muster node describe ${node}`;
