// Runs one nats-server after another: the next one when the last one ended, or when the watch says that it does not do
// its work.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { type Clock, sleep } from '../system/clock.ts';
import { MusterError } from '../system/errors.ts';
import type { Log } from '../system/log.ts';
import { silentLog } from '../system/log.ts';
import { onProcessEnd } from '../system/process-end.ts';
import { backoff, type Random } from '../system/random.ts';
import { whyNotLetIn } from '../transport/access-check.ts';
import { connect } from '../transport/nats.ts';
import type { TlsFiles } from '../transport/tls.ts';
import type { BrokerAccess } from './access-lines.ts';
import { type BrokerFiles, writeProcessId } from './broker-files.ts';
import { launchServer } from './launch.ts';
import { stopOrphan } from './orphan.ts';
import type { Verdict, WatchTimes } from './server-health.ts';
import { endsBy, isAlive, signalAll } from './server-process.ts';
import { ServerWatch } from './server-watch.ts';
import { diskTester } from './store-disk.ts';

export interface SupervisedServerOptions {
  /** The path of nats-server. */
  binary: string;
  files: BrokerFiles;
  access: BrokerAccess;
  /** The address for clients on this machine. */
  url: string;
  /** Returns how clients on this machine use TLS with the server; undefined when it has none. */
  tls(): TlsFiles | undefined;
  clock: Clock;
  random: Random;
  log: Log;
  watchTimes?: WatchTimes | undefined;
  /** Writes the configuration again before each start but the first, because the size of the disk may have changed. */
  configure(): Promise<void>;
  /** Called when `problem` or `restarts` changed. */
  onChange?: (() => void) | undefined;
}

/** How often the server was started again, and why the last time. */
export interface Restarts {
  count: number;
  last?: { at: string; reason: string };
}

/** Time until the server must accept clients, in milliseconds. It is long because a large store is read at the start. */
const startTimeoutMs = 60_000;
/**
 * Time that a server has to end when its start is aborted, in milliseconds. It is short because the server has stored
 * nothing yet.
 */
const abortedStartTimeoutMs = 1_500;
/** Time that a server has to end in order before it is killed, and time that it has to end after that, in milliseconds. */
const endTimeoutMs = 3_000;

export class SupervisedServer {
  readonly #options: SupervisedServerOptions;
  readonly #stopping = new AbortController();
  readonly #removeLastAct: () => void;
  readonly #watch: ServerWatch;
  #child: ChildProcess | undefined;
  #running: Promise<void> | undefined;
  #problem: string | undefined;
  #restarts: Restarts = { count: 0 };
  /** Why the present server is ended; undefined when it was not ended by us. */
  #endReason: string | undefined;

  constructor(options: SupervisedServerOptions) {
    this.#options = options;
    const { clock, random, log, files, access, url, tls, watchTimes: times } = options;
    this.#watch = new ServerWatch({
      // The role's own connection says in the log what happens to the link. This one would say it a second time.
      connect: storeTimeoutMs =>
        connect({
          servers: [url],
          name: 'muster watch',
          credentials: () => ({ key: access.requester }),
          tls,
          storeTimeoutMs,
          clock,
          random,
          log: silentLog,
        }),
      testDisk: diskTester(files.store, clock),
      store: files.store,
      clock,
      log,
      times,
      onProblem: problem => this.#setProblem(problem),
      onRestartDue: (restart, problem) => void this.#endServer(restart, problem),
    });
    // Ends the server when this process ends without a stop.
    this.#removeLastAct = onProcessEnd(() => this.#child && signalAll(this.#child, 'SIGTERM'));
  }

  /** The id of the running process; undefined while it waits for a restart. */
  get pid(): number | undefined {
    return this.#child && isAlive(this.#child) ? this.#child.pid : undefined;
  }

  /** A sentence that says what is wrong with the server; undefined when it is well. */
  get problem(): string | undefined {
    return this.#problem;
  }

  get restarts(): Restarts {
    return this.#restarts;
  }

  /**
   * Starts the server for the first time. If this succeeds, the server is started again whenever it ends. @throws
   * MusterError when the server ends before it accepts clients; the reason of `signal` when that aborts.
   */
  async start(signal?: AbortSignal): Promise<void> {
    const { ended, ready } = this.#launch();
    const first = await Promise.race([ready, ended, aborted(signal)]);
    if (first === 'aborted') {
      await this.stop(abortedStartTimeoutMs);
      throw signal?.reason;
    }
    if (first !== 'ready') {
      await this.stop(0);
      const code = first.includes('address already in use') ? 'in_use' : 'failed';
      throw new MusterError(code, `the broker ${first}`, { hint: `see ${this.#options.files.config}` });
    }
    this.#watch.begin();
    this.#running = this.#keepRunning(ended);
  }

  /** Stops the server, and kills it after `timeoutMs` (3 s by default). */
  async stop(timeoutMs = endTimeoutMs): Promise<void> {
    const { clock, log } = this.#options;
    this.#stopping.abort();
    this.#watch.end();
    const child = this.#child;
    if (child && !(await endsBy(child, 'SIGTERM', clock, timeoutMs))) {
      log.warn({ pid: child.pid }, 'the broker does not end: killing it');
      const exited = once(child, 'exit');
      signalAll(child, 'SIGKILL');
      await exited;
    }
    await this.#running;
    this.#removeLastAct();
  }

  async #keepRunning(end: Promise<string>): Promise<void> {
    const { clock, random, log, configure } = this.#options;
    const { signal } = this.#stopping;
    let ended = end;
    for (let failures = 0; ; failures++) {
      const began = clock.monotonic();
      const how = await ended;
      if (signal.aborted) return;
      this.#watch.end();
      if (clock.monotonic() - began > 10_000) failures = 0;
      const wait = Math.round(backoff(random, failures, 100, 10_000));
      const reason = this.#endReason ?? `the broker ${how}`;
      this.#endReason = undefined;
      this.#restarts = {
        count: this.#restarts.count + 1,
        last: { at: clock.now().toISOString(), reason },
      };
      log.error({ wait, restarts: this.#restarts.count }, `the broker ${how}: starting it again`);
      this.#setProblem(`${reason}; it is started again`);
      await sleep(clock, wait, signal);
      await this.#stopOrphan();
      await configure().catch(err =>
        log.error({ err }, 'the broker keeps the configuration of its last start'),
      );
      if (signal.aborted) return;
      const next = this.#launch();
      ended = next.ended;
      void next.ready.then(() => this.#onRunningAgain());
    }
  }

  #onRunningAgain(): void {
    this.#options.log.info({ pid: this.pid }, 'the broker runs again');
    this.#setProblem(undefined);
    this.#watch.begin();
  }

  // Ends a server that does not do its work. `#keepRunning` then starts the next one. A server that hangs cannot end in
  // order.
  async #endServer(restart: NonNullable<Verdict['restart']>, reason: string): Promise<void> {
    const { clock, log } = this.#options;
    const child = this.#child;
    if (!child || !isAlive(child)) return;
    log.error({ pid: child.pid }, `${reason}: it is ended and started again`);
    this.#endReason = reason;
    this.#watch.end();
    this.#setProblem(`${reason}; it is started again`);
    if (restart === 'failing' && (await endsBy(child, 'SIGTERM', clock, endTimeoutMs))) return;
    if (await endsBy(child, 'SIGKILL', clock, endTimeoutMs)) return;
    const text = `process ${child.pid} of the broker was killed and does not end, because it waits for a disk or a driver`;
    log.error({ pid: child.pid }, text);
    this.#setProblem(text);
  }

  #setProblem(problem: string | undefined): void {
    this.#problem = problem;
    this.#options.onChange?.();
  }

  // Stops a nats-server that is left over. `broker.binary` may be a wrapper that starts the server as a child. When the
  // wrapper has ended, the child may still hold the port and the store.
  async #stopOrphan(): Promise<void> {
    const { clock, log, files } = this.#options;
    const { signal } = this.#stopping;
    await stopOrphan(files, { clock, log, signal }).catch(error => {
      if (!signal.aborted) log.error({ err: error }, 'the port and the store may still be in use');
    });
  }

  /** Starts the server process. `ready` never settles when the server does not become ready. */
  #launch(): { ended: Promise<string>; ready: Promise<'ready'> } {
    const { binary, files, clock, log } = this.#options;
    const { child, ended } = launchServer(binary, files.config, clock, log);
    this.#child = child;
    try {
      if (child?.pid !== undefined) writeProcessId(files.pid, child.pid);
    } catch (err) {
      log.debug({ err }, 'the process id of the broker could not be written before the broker does it');
    }
    return { ended, ready: this.#ready(child) };
  }

  async #ready(child: ChildProcess | undefined): Promise<'ready'> {
    const { clock, url, tls, access, log } = this.#options;
    const deadline = clock.monotonic() + startTimeoutMs;
    const credentials = { key: access.requester };
    while (child && isAlive(child) && !this.#stopping.signal.aborted) {
      const reason = await whyNotLetIn(url, credentials, tls());
      if (reason === undefined) return 'ready';
      if (clock.monotonic() > deadline) {
        log.error({ pid: child.pid, reason }, 'the broker accepts no clients: killing it');
        signalAll(child, 'SIGKILL');
        // A server that waits for a disk which does not answer cannot be killed. It ends when the disk answers.
        break;
      }
      await sleep(clock, 10, this.#stopping.signal);
    }
    return await new Promise<never>(() => undefined);
  }
}

function aborted(signal: AbortSignal | undefined): Promise<'aborted'> {
  return new Promise(resolve => signal?.addEventListener('abort', () => resolve('aborted'), { once: true }));
}
