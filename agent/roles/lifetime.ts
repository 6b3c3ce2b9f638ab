// Decides when a running role stops: on SIGTERM, on SIGINT, or when its parent ends. On SIGHUP the role reads its settings
// again.
import type { Log } from '../system/log.ts';
import { exitNow } from './exit.ts';
import { endBySignal } from './interruption.ts';
import { onParentEnd } from './watch-parent.ts';

/** Time for a stop, in milliseconds. After it the process ends at once. */
const stopTimeoutMs = 4_800;

/** The message of a role to its parent, if the parent opened an IPC channel. */
export interface RoleReady {
  ready: {
    role: string;
    node: string;
    api?: string | undefined;
    broker?: string | undefined;
    /** The addresses of the broker for nodes. */
    servers?: readonly string[] | undefined;
    /** The file with the CA of the broker, when it uses TLS. */
    caFile?: string | undefined;
    /** The id of the cluster. */
    cluster?: string | undefined;
  };
}

export interface Lifetime {
  /** Resolves when the role must stop. */
  readonly stopRequested: Promise<void>;
  /** Whether the role must stop. */
  readonly stopping: boolean;
  /** Aborts when the role must stop. */
  readonly signal: AbortSignal;
  /** Makes the role stop. */
  requestStop(): void;
  /** Sets the function that SIGHUP calls. If a SIGHUP came earlier, the function is called at once. It must not throw. */
  onReload(fn: () => void): void;
}

let begun: ProcessLifetime | undefined;

/**
 * Starts to catch signals, so that none of them kills the process and each is remembered. Call it before a role is
 * loaded.
 */
export function beginLifetime(): void {
  begun ??= new ProcessLifetime();
}

/**
 * Handles the signals of this process, including those that came since `beginLifetime`. A second SIGTERM or SIGINT ends
 * the process at once. A stop that takes longer than 4.8 s also does.
 */
export function lifetime(log: Log): Lifetime {
  beginLifetime();
  const life = begun as ProcessLifetime;
  life.serve(log);
  return life;
}

class ProcessLifetime implements Lifetime {
  readonly stopRequested: Promise<void>;
  readonly #over = new AbortController();
  #log: Log | undefined;
  #reload: (() => void) | undefined;
  /** The first signal of each kind that came before the role could handle it. */
  #waiting: { stop?: NodeJS.Signals; reload?: true } = {};

  constructor() {
    this.stopRequested = new Promise(resolve => this.signal.addEventListener('abort', () => resolve()));
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => this.#stop(signal));
    process.on('SIGHUP', () => this.#hangUp());
    // A parent that was killed cannot send a signal, but its channel is closed.
    onParentEnd(() => this.requestStop());
  }

  get stopping(): boolean {
    return this.signal.aborted;
  }

  get signal(): AbortSignal {
    return this.#over.signal;
  }

  serve(log: Log): void {
    this.#log = log;
    const { stop } = this.#waiting;
    if (stop) log.info({ signal: stop }, 'stopping');
  }

  onReload(fn: () => void): void {
    this.#reload = fn;
    if (this.#waiting.reload && !this.stopping) fn();
  }

  requestStop(): void {
    if (this.stopping) return;
    this.#over.abort();
    const timer = setTimeout(() => {
      this.#log?.error({}, 'stopping took too long; the process ends now');
      void exitNow(1);
    }, stopTimeoutMs);
    timer.unref();
  }

  #stop(signal: NodeJS.Signals): void {
    if (this.stopping) endBySignal(signal);
    else if (this.#log) this.#log.info({ signal }, 'stopping');
    else this.#waiting.stop = signal;
    this.requestStop();
  }

  #hangUp(): void {
    if (this.#reload) this.#reload();
    else this.#waiting.reload = true;
  }
}

/** Sends the message to the parent, if there is a channel. */
export function sendReady(message: RoleReady): void {
  if (process.channel) process.send?.(message);
}
