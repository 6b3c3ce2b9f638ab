// Watches the broker's server by what it does: whether it answers a ping, and whether its store takes a write.
import { type Clock, sleep } from '../system/clock.ts';
import { reasonOf } from '../system/errors.ts';
import { limitedLog } from '../system/limited-log.ts';
import type { Log } from '../system/log.ts';
import { BrokerError, type Bucket, type Connection } from '../transport/port.ts';
import {
  type DiskState,
  ServerHealth,
  type Verdict,
  type WatchTimes,
  watchTimesMs,
} from './server-health.ts';

export interface ServerWatchOptions {
  /** Makes a connection to the server, which nobody else uses. It is closed when the server is started again. */
  connect(storeTimeoutMs: number): Connection;
  /** Tries to write to the disk of the store. */
  testDisk(): Promise<DiskState>;
  /** The path of the store, for messages. */
  store: string;
  clock: Clock;
  log: Log;
  times?: WatchTimes | undefined;
  /** Called when the problem of the server changed; undefined means that there is none any more. */
  onProblem(problem: string | undefined): void;
  /** Called when the server must be started again, with the reason. */
  onRestartDue(restart: NonNullable<Verdict['restart']>, problem: string): void;
}

/** The bucket of the watch. Its one key holds the newest write. */
const bucketConfig = { name: 'muster_watch', history: 1 } as const;
const key = 'write';
/** A value of this size needs a new block of the file system, so a write finds a full disk. */
const value = new Uint8Array(4_096);

export class ServerWatch {
  readonly #options: ServerWatchOptions;
  readonly #times: WatchTimes;
  readonly #health: ServerHealth;
  readonly #log;
  #server: WatchedServer | undefined;
  #problem: string | undefined;

  constructor(options: ServerWatchOptions) {
    this.#options = options;
    this.#times = options.times ?? watchTimesMs;
    this.#health = new ServerHealth(this.#times, options.store);
    this.#log = limitedLog(options.log, options.clock);
  }

  /** Begins to watch a server, which accepts clients now. */
  begin(): void {
    this.end();
    this.#health.begin(this.#options.clock.monotonic());
    const server = new WatchedServer(this.#options.connect(this.#times.slowWrite), () =>
      this.#health.onAnswer(this.#options.clock.monotonic()),
    );
    this.#server = server;
    void this.#watch(server);
  }

  /** Ends the watch, because the server ends or has ended. */
  end(): void {
    this.#server?.end();
    this.#server = undefined;
    this.#setProblem(undefined);
  }

  async #watch(server: WatchedServer): Promise<void> {
    const { clock } = this.#options;
    let wroteAt = Number.NEGATIVE_INFINITY;
    for (;;) {
      await sleep(clock, this.#times.beat, server.signal);
      if (server.ended) return;
      const now = clock.monotonic();
      if (!this.#health.beat(now)) continue;
      server.ping(this.#times.slowWrite);
      if (this.#health.isFailing || now - wroteAt >= this.#times.write) {
        wroteAt = now;
        server.write(
          () => this.#health.onStored(),
          text => void this.#onStoreFailure(server, text),
        );
      }
      this.#act(this.#health.verdict(now), now);
    }
  }

  async #onStoreFailure(server: WatchedServer, text: string): Promise<void> {
    const { clock, testDisk } = this.#options;
    this.#health.onStoreFailure(clock.monotonic(), text);
    const disk = await testDisk();
    if (server.ended) return;
    const now = clock.monotonic();
    this.#health.onDisk(now, disk);
    this.#setProblem(this.#health.verdict(now).problem);
  }

  #act({ problem, restart }: Verdict, now: number): void {
    this.#setProblem(problem);
    if (!restart || problem === undefined) return;
    this.#health.onRestart(now);
    this.#options.onRestartDue(restart, problem);
  }

  #setProblem(problem: string | undefined): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    if (problem !== undefined) this.#log.warn(problem.replace(/\d+/g, '#'), {}, problem);
    this.#options.onProblem(problem);
  }
}

/** One server and the connection to it, with at most one ping and one write on their way. */
class WatchedServer {
  readonly #connection: Connection;
  /** Called when the server shows that it runs. */
  readonly #onAnswer: () => void;
  readonly #end = new AbortController();
  #isPinging = false;
  #isWriting = false;
  #bucket: Bucket | undefined;
  #revision: number | undefined;

  constructor(connection: Connection, onAnswer: () => void) {
    this.#connection = connection;
    this.#onAnswer = onAnswer;
    // A server that stood still may have lost this client. It answers the new link before it gets another ping.
    connection.onState(({ kind }) => kind === 'connected' && this.#answered());
  }

  get ended(): boolean {
    return this.signal.aborted;
  }

  get signal(): AbortSignal {
    return this.#end.signal;
  }

  end(): void {
    this.#end.abort();
    void this.#connection.close(0);
  }

  /** Sends a ping if none is on its way. */
  ping(timeoutMs: number): void {
    const { state } = this.#connection;
    if (state.kind === 'disconnected' && state.fault !== 'unreachable') {
      // A server that refuses the client answers, and a restart would not change what it says.
      this.#answered();
    } else if (!this.#isPinging) {
      this.#isPinging = true;
      void this.#connection
        .flush(timeoutMs)
        .then(() => this.#answered())
        // A ping without an answer needs no mention: the verdict comes from the time of the last answer.
        .catch(() => undefined)
        .finally(() => {
          this.#isPinging = false;
        });
    }
  }

  /** Starts a write if none is on its way. The server's silence is not a failure of its store. */
  write(onStored: () => void, onFailure: (text: string) => void): void {
    if (this.#isWriting) return;
    this.#isWriting = true;
    void this.#writeOnce()
      .then(
        () => !this.ended && onStored(),
        (error: unknown) => {
          const fault = error instanceof BrokerError ? error.fault : undefined;
          if (this.ended || fault === 'disconnected') return;
          // Somebody else wrote the key, so the store does take writes.
          if (fault === 'revision_conflict') this.#revision = undefined;
          else onFailure(reasonOf(error));
        },
      )
      .finally(() => {
        this.#isWriting = false;
      });
  }

  #answered(): void {
    if (!this.ended) this.#onAnswer();
  }

  async #writeOnce(): Promise<void> {
    this.#bucket ??= await (await this.#connection.storage()).bucket(bucketConfig);
    this.#revision ??= (await this.#bucket.get(key))?.revision ?? 0;
    this.#revision = await this.#bucket.put(key, value, this.#revision);
  }
}
