// The gatekeeper answers the broker's question whether to let a client in: it checks the client's key, pins the key of a
// newcomer, and keeps a second process with the same key out.
import { type CalloutAnswer, type CalloutQuestion, nodesAccount } from '../../protocol/callout.ts';
import { fingerprint } from '../../protocol/nkey.ts';
import type { Refusal } from '../../protocol/refusal.ts';
import type { Clock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { TokenBuckets } from '../../system/token-buckets.ts';
import { BrokerError, type Connection } from '../../transport/port.ts';
import { wasChanged } from '../cluster/record-conflict.ts';
import { timeAfter } from '../roll/time-after.ts';
import {
  type AccessDecision,
  type AccessFacts,
  type CodeCheck,
  decideAccess,
  refusalOf,
} from './access-rules.ts';
import { type Applicant, connectionOf, hasSigned, readApplicant } from './applicant.ts';
import type { Grant } from './grants.ts';
import { type KeyUse, refusedMark } from './live-connection.ts';
import type { LiveConnections } from './live-connections.ts';
import { nodePermissions, refusedPermissions, workPermissions } from './permissions.ts';
import type { Pin, Pins } from './pins.ts';
import type { RefusalLog } from './refusals.ts';
import { refuseClone } from './refuse-clone.ts';
import { keyTurn, nodeTurn, type Turns } from './turns.ts';
import { refuseWork } from './work-rules.ts';

export interface GatekeeperOptions {
  connection: Connection;
  clock: Clock;
  log: Log;
  pins: Pins;
  live: LiveConnections;
  refusals: RefusalLog;
  /** Lets no two applicants of a key or a node be decided about at once. */
  turns: Turns;
  requesterId: string;
  heartbeatTopic: string;
  counters: { strangers: number; refusedKeys: number };
  /** Returns the record that the roll has of the node, and the key that it names; undefined when it has none. */
  recordOf(id: string): AccessFacts['record'];
  /** Says what a join code is worth now. `host` is the address of the client, `key` its key, and `node` the id that it wants. */
  checkCode(token: string, host: string, key: string, node: string): CodeCheck;
  /** Pins the key of a node that has none, in the turn in which its code was checked. See pinNewcomer. */
  pinNewcomer(node: string, pin: Pin): Promise<void>;
  /** Returns what the node with this key is called now, when `id` is one that it had before; undefined otherwise. */
  renamedNode(id: string, key: string): AccessFacts['renamed'];
  /** Says who banned a key; undefined when nobody did. */
  banOf(key: string): AccessFacts['ban'];
  /** Says which node of this id was deleted; undefined when none was. */
  deletedNode(id: string): (NonNullable<AccessFacts['deleted']> & { code?: string | undefined }) | undefined;
  /** Returns the key of the node of this id that gave way to newcomers; undefined when none did. */
  expiredKey(id: string): string | undefined;
  /** Returns when nodes of this id left the roll, RFC 3339. */
  leftAt(id: string): (string | undefined)[];
  /** Returns what a node may do now besides what every node may. */
  grantOf(id: string): Grant;
  /** Called after a key was pinned to a node. It never rejects. */
  onPinned(id: string, key: string): Promise<void>;
}

/** Time after which a client that still waits for its turn has been turned away by the broker, in milliseconds. */
const maxWaitMs = 9_000;
/** Number of attempts to decide while another requester decides about the same key or node. */
const attempts = 3;
/** Number of refused keys of one machine that are let in to ask why. */
const refusalLimits = { burst: 50, refillMs: 1_000 };
/** Time for which a refused key may ask why, in seconds. */
const refusedSeconds = 30;

export class Gatekeeper {
  readonly #options: GatekeeperOptions;
  readonly #limited: LimitedLog;
  /** How many refused keys each machine may still show, by its address. */
  readonly #answers: TokenBuckets;

  constructor(options: GatekeeperOptions) {
    this.#options = options;
    this.#limited = limitedLog(options.log, options.clock);
    this.#answers = new TokenBuckets(refusalLimits, () => options.clock.monotonic());
  }

  /**
   * Decides about a client. Returns undefined for a stranger, who gets no answer, and for a client that has waited so long
   * for its turn that the broker has turned it away.
   */
  async decide(question: CalloutQuestion): Promise<CalloutAnswer | undefined> {
    const applicant = readApplicant(question);
    // Most of a flood are strangers whatever they signed, so the costly check of the signature comes last.
    if (!applicant || this.#decision(applicant).kind === 'stranger' || !hasSigned(applicant))
      return this.#ignore(question);
    const { key, name } = applicant;
    const { clock, live, turns } = this.#options;
    const askedAt = clock.monotonic();
    await live.known();
    return turns.run([keyTurn(key), nodeTurn(name.node)], async () => {
      if (clock.monotonic() - askedAt > maxWaitMs) return undefined;
      try {
        return await this.#admit(applicant);
      } catch (err) {
        if (!(err instanceof BrokerError) && !(err instanceof MusterError)) throw err;
        this.#limited.warn(
          'store',
          { node: name.node, err },
          'a node could not be let in, because its key could not be stored',
        );
        return this.#refuse(
          applicant,
          refusalOf(key, 'unavailable', 'the requester could not store this key', 'wait: it is tried again'),
        );
      }
    });
  }

  async #admit(applicant: Applicant, attempt = 1): Promise<CalloutAnswer | undefined> {
    const { log, onPinned } = this.#options;
    const { key, name, question } = applicant;
    const { pins } = this.#options;
    if (pins.of(name.node)?.key === key && pins.nodeOf(key) === undefined) await pins.complete(name.node);
    const decision = this.#decision(applicant);
    switch (decision.kind) {
      case 'stranger':
        return this.#ignore(question);
      case 'refuse':
        return this.#refuse(applicant, decision.refusal);
      case 'pin':
        try {
          await this.#pin(applicant, decision.code);
        } catch (error) {
          // Another requester has let in the same key, or a node of the same id, at the same moment.
          if (!wasChanged(error) || attempt === attempts) throw error;
          return this.#admit(applicant, attempt + 1);
        }
        log.info(
          { node: name.node, fingerprint: fingerprint(key), code: decision.code, host: question.host },
          'a new key was pinned to a node',
        );
        await onPinned(name.node, key);
        break;
      case 'known':
        if (name.intent === 'check') return refusedAnswer(key);
        if (name.intent === 'work') return this.#admitToWork(applicant);
    }
    const clone = await refuseClone(applicant, this.#options);
    if (clone) return this.#refuse(applicant, clone);
    // Nothing is awaited from here on, so a decision that is made later finds this connection and ends it.
    const { mark, ...granted } = this.#options.grantOf(name.node);
    this.#options.live.expect(key, connectionOf(applicant, 'agent', mark));
    this.#options.refusals.take(key);
    return { ...answerOf(nodePermissions(name.node, key, this.#options.heartbeatTopic, granted)), mark };
  }

  // A program beside the agent gets what is opened for approved nodes, and nothing of what is the agent's.
  #admitToWork(applicant: Applicant): CalloutAnswer | undefined {
    const { live, grantOf } = this.#options;
    const { key, name, question } = applicant;
    const { mark, ...granted } = grantOf(name.node);
    const { node, instance } = name;
    const facts = { node, instance, host: question.host, isGranted: mark !== '' };
    const refusal = refuseWork({ ...facts, key, agent: live.of(key), other: live.of(key, 'work') });
    if (refusal) return this.#refuse(applicant, refusal);
    live.expect(key, connectionOf(applicant, 'work', mark));
    return { ...answerOf(workPermissions(name.node, key, granted)), mark };
  }

  // A deleted node that comes back without a code does not give the use of its first one back.
  #pin({ key, name: { node } }: Applicant, code: string | undefined): Promise<void> {
    const { clock, pinNewcomer, deletedNode, leftAt } = this.#options;
    const formerCode = code === undefined ? deletedNode(node)?.code : undefined;
    return pinNewcomer(node, {
      key,
      ...(code ? { code } : {}),
      ...(formerCode ? { formerCode } : {}),
      at: timeAfter(clock.now(), ...leftAt(node)),
    });
  }

  #decision({ key, name, question }: Applicant): AccessDecision {
    const { pins, requesterId, recordOf, renamedNode, checkCode, banOf, deletedNode, expiredKey } =
      this.#options;
    return decideAccess({
      id: name.node,
      key,
      intent: name.intent,
      requesterId,
      pinnedKey: pins.of(name.node)?.key,
      replacedAt: pins.of(name.node)?.replaced?.find(former => former.key === key)?.at,
      pinnedNode: pins.nodeOf(key),
      renamed: renamedNode(name.node, key),
      record: recordOf(name.node),
      ban: banOf(key),
      deleted: deletedNode(name.node),
      expiredKey: expiredKey(name.node),
      code: question.offers.token
        ? checkCode(question.offers.token, question.host, key, name.node)
        : { kind: 'unknown' },
    });
  }

  #ignore({ host }: CalloutQuestion): undefined {
    this.#options.counters.strangers++;
    const text = 'a stranger wants to connect to the broker: it shows no key and no join code that is known';
    this.#limited.warn('stranger', { host }, text);
  }

  // A key that is refused is let in to ask why. Anybody can make keys, so one machine may do so only now and then; the rest
  // gets no answer, like strangers.
  #refuse({ key, name, question }: Applicant, refusal: Refusal): CalloutAnswer | undefined {
    const { counters, refusals } = this.#options;
    counters.refusedKeys++;
    const { node, instance, host: hostname } = name;
    const { host, server, connection } = question;
    const fields = { node, host, fingerprint: refusal.fingerprint };
    this.#limited.warn(`refused ${refusal.code}`, fields, `a key was refused: ${refusal.reason}`);
    if (!this.#answers.take(host)) return undefined;
    const use: KeyUse = name.intent === 'work' ? 'work' : 'agent';
    refusals.add(key, refusal, { node, instance, hostname, host, use, server, connection });
    return refusedAnswer(key);
  }
}

const answerOf = (permissions: CalloutAnswer['permissions']): CalloutAnswer => ({
  account: nodesAccount,
  permissions,
});

const refusedAnswer = (key: string): CalloutAnswer => ({
  ...answerOf(refusedPermissions(key)),
  mark: refusedMark,
  lastsSeconds: refusedSeconds,
});
