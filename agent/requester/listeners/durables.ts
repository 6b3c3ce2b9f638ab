// Keeps a durable in the event stream for each listener: makes those that are missing, and removes those that nobody has.
import { durablePrefix } from '../../protocol/listener.ts';
import { nodeEventsWildcard } from '../../protocol/subjects.ts';
import type { Clock, Timer } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { BrokerError, type DurableState, type EventStream } from '../../transport/port.ts';
import type { ListenerRecord } from './listener-record.ts';

export interface DurablesOptions {
  stream: Pick<EventStream, 'durables' | 'ensureDurable' | 'removeDurable'>;
  clock: Clock;
  log: Log;
  /** Returns the records of the listeners, by name. */
  records(): Iterable<[string, ListenerRecord]>;
}

/** Time between two looks at the durables, in milliseconds. The stream may be lost at any time, and its durables too. */
const checkIntervalMs = 30_000;

export class Durables {
  readonly #options: DurablesOptions;
  readonly #limited: LimitedLog;
  #timer: Timer | undefined;
  #stopped = false;
  /** The durables that belonged to nobody when they were looked at last. */
  #orphans: ReadonlySet<string> = new Set();
  /** Whether the broker may have a durable that belongs to no listener. */
  #mayHaveOrphans = true;

  constructor(options: DurablesOptions) {
    this.#options = options;
    this.#limited = limitedLog(options.log, options.clock);
  }

  /** Looks at the durables now, and then again and again until it is stopped. */
  start(): void {
    void this.check().finally(() => {
      if (this.#stopped) return;
      this.#timer = this.#options.clock.after(checkIntervalMs, () => this.start());
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Makes the durables that are missing, and removes those that nobody has. Never rejects: a fault is logged. */
  async check(): Promise<void> {
    const { stream, records } = this.#options;
    if (!this.#mayHaveOrphans && [...records()].length === 0) return;
    await this.#tell('check', async () => {
      const present = new Set((await stream.durables(durablePrefix)).map(({ name }) => name));
      for (const [name, record] of records())
        if (!present.has(record.durable)) await this.#make(name, record);
      // A listener may have been made meanwhile, and its durable too.
      const wanted = new Set([...records()].map(([, { durable }]) => durable));
      const orphans = [...present].filter(durable => !wanted.has(durable));
      // Another requester may have made a listener a moment ago.
      for (const durable of orphans) if (this.#orphans.has(durable)) await stream.removeDurable(durable);
      this.#orphans = new Set(orphans);
      this.#mayHaveOrphans = orphans.length > 0;
    });
  }

  /** Makes the durable of a listener, unless it is there. Never rejects: what fails is tried again by `check`. */
  async ensure(name: string, record: ListenerRecord): Promise<void> {
    await this.#tell('make', () => this.#make(name, record));
  }

  /** Removes the durable of a former listener. Never rejects: what fails is tried again by `check`. */
  async remove(durable: string): Promise<void> {
    this.#mayHaveOrphans = true;
    await this.#tell('remove', () => this.#options.stream.removeDurable(durable));
  }

  /** Returns the durables that the broker has, by name; undefined when it does not answer. */
  async states(): Promise<Map<string, DurableState> | undefined> {
    let states: Map<string, DurableState> | undefined;
    await this.#tell('list', async () => {
      const list = await this.#options.stream.durables(durablePrefix);
      states = new Map(list.map(state => [state.name, state]));
    });
    return states;
  }

  #make(name: string, { durable, since }: ListenerRecord): Promise<void> {
    return this.#options.stream.ensureDurable({
      name: durable,
      filter: nodeEventsWildcard,
      description: `the events that the listener ${name} has not read yet`,
      since: since === undefined ? undefined : new Date(since),
    });
  }

  async #tell(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (err) {
      // After the loss of the lease, the durables are another requester's to keep.
      if (!(err instanceof BrokerError || err instanceof MusterError)) throw err;
      const text = 'the durables of the listeners could not be read or changed; this is tried again';
      this.#limited.warn(what, { err }, text);
    }
  }
}
