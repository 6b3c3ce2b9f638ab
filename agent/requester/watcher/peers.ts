// The peers are the other requesters of the same roll. Each tells the others every few seconds that it is there.
import { orchestratorSubject, peersSubject } from '../../protocol/subjects.ts';
import type { Clock, Timer } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { TokenBuckets } from '../../system/token-buckets.ts';
import { BrokerError, type Connection, type Message, type Subscription } from '../../transport/port.ts';
import { encode } from '../cluster/cluster-bucket.ts';
import type { Holder } from './holder.ts';
import { PeerClock } from './peer-clock.ts';
import { type Peer, type Presence, readPresence } from './presence.ts';
import { differingSettings, type SharedSettings } from './shared-settings.ts';

/**
 * Times in milliseconds: how often each requester tells that it is there; the silence after which it counts as gone; how
 * long a start waits for the first answer of those that listen, and then for each further one: one that is busy answers late, and
 * may be the one whose id this one has; how long a peer that has gone may still have written what this requester has not heard
 * of; and how long the broker has to say that no orchestrator of Bacalhau listens.
 */
const timesMs = {
  tell: 2_000,
  gone: 7_000,
  firstAnswer: 5_000,
  nextAnswer: 500,
  late: 30_000,
  orchestrator: 1_000,
};
/** Largest number of peers that are remembered. On a NATS of one's own anybody may pretend to be one. */
const maxPeers = 32;
/** How many comings and goings of peers are logged at `info`. */
const loggedLimits = { burst: 20, refillMs: 60_000 };

export interface PeersOptions {
  connection: Connection;
  clusterId: string;
  me: Holder;
  version: string;
  /** Returns the settings that all requesters should have alike. */
  settings(): SharedSettings;
  /** Returns the pins of the CAs that nodes should trust; none when this requester does not make them. */
  authorities?(): readonly string[];
  clock: Clock;
  log: Log;
}

/** What a requester has to do with the others once it keeps the roll itself. */
export interface PeersDuty {
  /** Says whether this requester watches. */
  watches(): boolean;
  /** Called when a peer comes, goes, or begins or ceases to watch. */
  onChange(): void;
  /** Called when a peer says that it stops, and again when it has given the lease back. Anybody may pretend to be one. */
  onLeaving(instance: string): void;
}

export class Peers {
  readonly #options: PeersOptions;
  readonly #limited: LimitedLog;
  readonly #peers = new Map<string, { peer: Peer; at: number; clock: PeerClock }>();
  readonly #loggedChanges: TokenBuckets;
  #lateUntil = Number.NEGATIVE_INFINITY;
  /** Undefined until this requester has started, and when it has stopped. */
  #duty: PeersDuty | undefined;
  #subscription: Subscription | undefined;
  /** Where those wait for an answer who asked while this requester was starting. */
  #asking: string[] = [];
  #reconnecting: Subscription | undefined;
  #timer: Timer | undefined;
  /** When it was looked last which peers are silent, in monotonic milliseconds. */
  #lookedAt = 0;

  /**
   * Asks who is there. @throws MusterError `in_use` when another requester has the id of this one; BrokerError when the
   * connection is lost.
   */
  static async open(options: PeersOptions): Promise<Peers> {
    const peers = new Peers(options);
    try {
      await peers.#ask();
      peers.#listen();
      const { requester } = options.me;
      const same = peers.list().find(peer => peer.requester === requester);
      if (same) throw sameId(same);
      return peers;
    } catch (error) {
      peers.stop();
      throw error;
    }
  }

  private constructor(options: PeersOptions) {
    this.#options = options;
    this.#limited = limitedLog(options.log, options.clock);
    this.#loggedChanges = new TokenBuckets(loggedLimits, () => options.clock.monotonic());
  }

  /** Begins to tell the others that this requester is there. */
  start(duty: PeersDuty): void {
    const { connection, clock } = this.#options;
    this.#duty = duty;
    this.#reconnecting = connection.onState(({ kind }) => {
      if (kind !== 'connected') return;
      this.#countAllAsHeard();
      // One that has started meanwhile hears what this one answers only once it knows that this one is there.
      this.#tell();
    });
    // Those that answered at the start were not heard while the store was read.
    this.#countAllAsHeard();
    this.#lookedAt = clock.monotonic();
    for (const reply of this.#asking.splice(0)) connection.publish(reply, this.#presence());
    this.#repeat();
  }

  /** Hears nobody any more, and tells the others that this requester stops if it has started. */
  stop(): void {
    this.#timer?.cancel();
    this.#subscription?.unsubscribe();
    this.#reconnecting?.unsubscribe();
    if (this.#duty) this.tellLeaving();
    this.#duty = undefined;
  }

  /** Tells the others that this requester stops. When it has given the lease back, it says so again. */
  tellLeaving(): void {
    this.#tell({ leaves: true });
  }

  /** Tells the others at once, because this requester began or ceased to watch, or because other CAs are valid. */
  tell(): void {
    if (this.#duty) this.#tell();
  }

  /** Whether there is another requester. */
  get areThere(): boolean {
    return this.#peers.size > 0;
  }

  /** Whether another requester may have written what this one has not heard of yet. */
  get mayHaveWritten(): boolean {
    return this.areThere || this.#options.clock.monotonic() < this.#lateUntil;
  }

  /** Returns the peers, sorted by id. */
  list(): Peer[] {
    return [...this.#peers.values()]
      .map(({ peer }) => peer)
      .sort((a, b) => (a.requester < b.requester ? -1 : 1));
  }

  /**
   * Returns whether a requester runs: another one of this roll, or an orchestrator of Bacalhau on the same NATS, which answers
   * nothing, but listens. @throws BrokerError when the connection is lost
   */
  async isThere(requester: string): Promise<boolean> {
    if (this.list().some(peer => peer.requester === requester)) return true;
    try {
      await this.#options.connection.request(orchestratorSubject(requester), '', timesMs.orchestrator);
      return true;
    } catch (error) {
      if (!(error instanceof BrokerError) || error.fault === 'disconnected') throw error;
      return error.fault === 'timeout';
    }
  }

  /**
   * Asks all requesters of the roll whether they are there, and returns those of `ids` that do not answer: they have stopped,
   * or hang. @throws BrokerError when the connection is lost
   */
  async askSilent(ids: readonly string[]): Promise<string[]> {
    if (ids.length === 0) return [];
    const there = await this.#ask(ids);
    return ids.filter(id => !there.has(id));
  }

  // Returns the ids of the requesters that have answered. When all of `awaited` have, nobody else is waited for.
  async #ask(awaited: readonly string[] = []): Promise<ReadonlySet<string>> {
    const { connection, clusterId } = this.#options;
    const wait = { firstMs: timesMs.firstAnswer, nextMs: timesMs.nextAnswer };
    const there = new Set<string>();
    try {
      await connection.gather(peersSubject(clusterId), '', wait, message => {
        this.#listen();
        const requester = this.#keep(message);
        if (requester !== undefined) there.add(requester);
        return awaited.length > 0 && awaited.every(id => there.has(id));
      });
    } catch (error) {
      if (!(error instanceof BrokerError) || error.fault === 'disconnected') throw error;
      // Nobody answers, so nobody is there.
    }
    return there;
  }

  // A peer that has answered may stop while this requester reads the store. Nobody listens before the first answer, because the
  // question would come back, and then the broker could not say that nobody is there.
  #listen(): void {
    const { connection, clusterId } = this.#options;
    this.#subscription ??= connection.subscribe(peersSubject(clusterId), message => this.#receive(message));
  }

  #receive(message: Message): void {
    // A requester that starts sends nothing and wants an answer. Any other message tells that its sender is there.
    if (message.data.length > 0) this.#keep(message);
    else if (this.#duty) message.respond(this.#presence());
    else if (message.reply !== '' && this.#asking.length < maxPeers) this.#asking.push(message.reply);
  }

  // Takes what another requester tells of itself, and returns its id if it stays.
  #keep({ data }: Message): string | undefined {
    const { me, clock } = this.#options;
    let told: Presence;
    try {
      told = readPresence(data);
    } catch (err) {
      this.#limited.warn('peer', { err }, 'a message of another requester cannot be read');
      return undefined;
    }
    const { leaves, time, ...rest } = told;
    if (rest.instance === me.instance) return undefined;
    const differs = rest.settings ? differingSettings(this.#options.settings(), rest.settings) : [];
    const before = this.#peers.get(rest.instance);
    const peerClock = before?.clock ?? new PeerClock(clock);
    if (time !== undefined) peerClock.add(time);
    const peer: Peer = { ...rest, differs, clockAheadMs: peerClock.aheadMs };
    if (leaves) {
      if (this.#peers.delete(peer.instance)) this.#changed(peer, 'another requester of this roll stops');
      this.#duty?.onLeaving(peer.instance);
      return undefined;
    }
    // Two that start at the same moment find nobody to ask.
    if (this.#duty && peer.requester === me.requester) {
      const { host, pid } = peer;
      const text =
        'another requester keeps this roll under the id of this one; give one of them another node.id';
      this.#limited.error('same id', { requester: me.requester, host, pid }, text);
    }
    if (!before && this.#peers.size >= maxPeers) return peer.requester;
    this.#peers.set(peer.instance, { peer, at: clock.monotonic(), clock: peerClock });
    this.#warnOfDifferences(peer, before?.peer);
    if (!before) this.#changed(peer, 'another requester keeps this roll too');
    else if (before.peer.watches !== peer.watches) this.#duty?.onChange();
    return peer.requester;
  }

  #warnOfDifferences({ requester, host, differs, clockAheadMs }: Peer, before: Peer | undefined): void {
    if (differs.length > 0 && differs.join() !== before?.differs.join()) {
      const text = 'another requester of this roll has other settings; give the same to all';
      this.#limited.warn('settings', { requester, host, settings: differs }, text);
    }
    if (clockAheadMs !== undefined && before?.clockAheadMs === undefined) {
      const text =
        'the clocks of this requester and another one of this roll differ; let a time service set both';
      this.#limited.warn('clock', { requester, host, aheadMs: Math.round(clockAheadMs) }, text);
    }
  }

  #repeat(): void {
    this.#forgetSilent();
    this.#tell();
    this.#timer = this.#options.clock.after(timesMs.tell, () => this.#repeat());
  }

  #countAllAsHeard(): void {
    for (const each of this.#peers.values()) each.at = this.#options.clock.monotonic();
  }

  // A requester that has no connection hears nobody, and one that was suspended has heard nobody. Meanwhile the peers may be
  // well, and write what this one has not heard of.
  #forgetSilent(): void {
    const { clock, connection } = this.#options;
    const now = clock.monotonic();
    const wasSuspended = now - this.#lookedAt > 2 * timesMs.tell;
    this.#lookedAt = now;
    if (connection.state.kind !== 'connected') return;
    if (wasSuspended) this.#countAllAsHeard();
    const oldest = now - timesMs.gone;
    for (const [instance, { peer, at }] of this.#peers) {
      if (at > oldest) continue;
      this.#peers.delete(instance);
      this.#changed(peer, 'another requester of this roll is not heard any more');
    }
  }

  #changed({ requester, host, pid }: Peer, text: string): void {
    this.#lateUntil = this.#options.clock.monotonic() + timesMs.late;
    // On a NATS of one's own anybody may pretend to come and go all the time.
    const { log } = this.#options;
    if (this.#loggedChanges.take('')) log.info({ requester, host, pid }, text);
    else log.debug({ requester, host, pid }, text);
    this.#duty?.onChange();
  }

  #tell(more: { leaves?: boolean } = {}): void {
    this.#options.connection.publish(peersSubject(this.#options.clusterId), this.#presence(more));
  }

  #presence(more: { leaves?: boolean } = {}): Uint8Array {
    const { me, version, settings, authorities, clock } = this.#options;
    const watches = this.#duty?.watches() ?? false;
    return encode({
      ...me,
      version,
      watches,
      settings: settings(),
      time: clock.now().toISOString(),
      authorities: authorities?.(),
      ...more,
    });
  }
}

/** Returns the requester that makes the CA of the broker; undefined when none says so. */
export const authorityMaker = (peers: readonly Peer[]): Peer | undefined =>
  peers.find(({ authorities = [] }) => authorities.length > 0);

const sameId = ({ requester, pid, host, since }: Peer): MusterError =>
  new MusterError(
    'in_use',
    `requester ${requester} (process ${pid} on ${host}, since ${since}) already keeps this cluster's roll, under the id of this one`,
    {
      hint: 'stop it first; or give this one another node.id, so that both keep the roll; or point it to another broker with nats.servers',
    },
  );
