// The door of the listeners: who comes in with which token, how often, and who is cut off because it sends too much.
import type { CalloutAnswer, CalloutQuestion } from '../../protocol/callout.ts';
import { listenerOf } from '../../protocol/listener.ts';
import { hashToken, isSame } from '../../protocol/secret-hash.ts';
import type { SubjectTemplates } from '../../protocol/subject-template.ts';
import type { Clock } from '../../system/clock.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { TokenBuckets } from '../../system/token-buckets.ts';
import type { Durables } from './durables.ts';
import { FloodWatch, type Traffic } from './flood-watch.ts';
import { isOpen, listenerAnswer, shownToken, whyNoWork } from './listener-access.ts';
import type { ListenerConnections } from './listener-connections.ts';
import type { ListenerRecord } from './listener-record.ts';

/** How often a listener may connect. A program that does so all the time would keep the requester busy. */
const connectLimits = { burst: 20, refillMs: 1_000 };
/** Time for which a listener that has sent too many requests is kept out, in milliseconds. */
const floodBanMs = 60_000;

export interface ListenerDoorOptions {
  clock: Clock;
  log: Log;
  /** Returns the record of a listener; undefined when there is none, or when it is revoked. */
  record(name: string): ListenerRecord | undefined;
  /** Returns whether there are listeners at all. */
  hasListeners(): boolean;
  durables: Pick<Durables, 'ensure' | 'states'>;
  connections: Pick<ListenerConnections, 'makeRoom' | 'expect' | 'endAll' | 'sent'>;
  /** The subjects that are opened for approved nodes; without it none are. */
  approved?: SubjectTemplates | undefined;
}

export class ListenerDoor {
  readonly #options: ListenerDoorOptions;
  readonly #connects: TokenBuckets;
  readonly #floods: FloodWatch;
  /** The monotonic time until which a listener is kept out. */
  readonly #keptOut = new Map<string, number>();
  readonly #limited: LimitedLog;

  constructor(options: ListenerDoorOptions) {
    const { clock, log } = options;
    this.#options = options;
    this.#connects = new TokenBuckets(connectLimits, () => clock.monotonic());
    this.#floods = new FloodWatch({
      clock,
      traffic: () => this.#traffic(),
      onFlood: (name, excess) => void this.#cutOff(name, excess),
    });
    this.#limited = limitedLog(log, clock);
  }

  /** Begins to watch what listeners send. */
  start(): void {
    this.#floods.start();
  }

  stop(): void {
    this.#floods.stop();
  }

  /** Decides about a client that shows the token of a listener. Returns undefined for any other client. */
  async admit(question: CalloutQuestion): Promise<CalloutAnswer | undefined> {
    const { clock, record: recordOf, durables, connections } = this.#options;
    const { token, use } = shownToken(question);
    const name = listenerOf(token);
    const record = name === undefined ? undefined : recordOf(name);
    if (!question.isPlain || name === undefined || !record) return undefined;
    if (!isSame(hashToken(token), Buffer.from(record.hash, 'base64url'))) return undefined;
    const fields = { listener: name, host: question.host };
    const isOver = () => record.expires !== undefined && Date.parse(record.expires) <= clock.now().getTime();
    if (isOver()) {
      this.#limited.warn('expired', fields, 'a listener wants to connect whose token has expired');
      return undefined;
    }
    if ((this.#keptOut.get(name) ?? 0) > clock.monotonic()) return undefined;
    const why = whyNoWork(use, record, this.#approved);
    if (why !== undefined) {
      this.#limited.warn(`work ${name}`, fields, `a listener wants to speak with approved nodes, and ${why}`);
      return undefined;
    }
    if (!this.#connects.take(name)) {
      this.#limited.warn('often', fields, 'a listener connects too often; it has to wait');
      return undefined;
    }
    await Promise.all([
      connections.makeRoom(name),
      ...(use === 'durable' ? [durables.ensure(name, record)] : []),
    ]);
    // It may have been revoked meanwhile.
    if (recordOf(name) !== record || isOver()) return undefined;
    connections.expect(name, question);
    return listenerAnswer(name, record, use, this.#approved, clock.now());
  }

  /** Whether anything is opened for approved nodes. Until then no listener is let in to speak with them. */
  get isWorkOpen(): boolean {
    return isOpen(this.#approved);
  }

  async #traffic(): Promise<ReadonlyMap<string, Traffic> | undefined> {
    const { connections, durables, record, hasListeners } = this.#options;
    if (!hasListeners()) return new Map();
    const sent = await connections.sent();
    if (!sent || sent.size === 0) return sent && new Map();
    const states = await durables.states();
    const delivered = (name: string) => states?.get(record(name)?.durable ?? '')?.delivered;
    return (
      states && new Map([...sent].map(([name, each]) => [name, { sent: each, delivered: delivered(name) }]))
    );
  }

  async #cutOff(name: string, excess: number): Promise<void> {
    const { clock, log, connections } = this.#options;
    this.#keptOut.set(name, clock.monotonic() + floodBanMs);
    const text =
      'a listener sends far more requests than there are events; it is cut off and kept out for a minute';
    log.warn({ listener: name, requests: excess }, text);
    await connections.endAll(name);
  }

  get #approved(): SubjectTemplates {
    return this.#options.approved ?? { publish: [], subscribe: [] };
  }
}
