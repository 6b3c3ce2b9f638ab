// The life of a long-running role: it stops on SIGTERM, SIGINT, or with the process that started it; SIGHUP reloads.
import type { Log } from '../system/log.ts';
import { exitNow } from './exit.ts';
import { endBySignal } from './interruption.ts';
import { onParentEnd } from './watch-parent.ts';

/** Milliseconds in which a stop must be done. */
const stopTimeoutMs = 4_800;

/** What a role tells the process that started it, if that asked for it by an IPC channel. */
export interface RoleReady {
  ready: {
    role: string;
    node: string;
    api?: string | undefined;
    broker?: string | undefined;
    tokenFile?: string | undefined;
  };
}

export interface Lifetime {
  /** Resolves when it is time to stop. */
  readonly stopRequested: Promise<void>;
  /** It is over. */
  readonly stopping: boolean;
  /** Aborts when it is over. */
  readonly signal: AbortSignal;
  /** Ends it from inside. */
  requestStop(): void;
  /** What SIGHUP does from now on, and at once if one came before. `fn` must not throw. */
  onReload(fn: () => void): void;
}

let begun: ProcessLifetime | undefined;

/** To be called before anything of a role is loaded: from then on no signal kills it, and none that came is forgotten. */
export function beginLifetime(): void {
  begun ??= new ProcessLifetime();
}

/**
 * Watches the signals of this process, those that came since `beginLifetime` too. A second SIGTERM or SIGINT, or a stop that
 * takes 4.8 s, ends it at once.
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
  /** What came first of each kind while nobody was there to be told. */
  #waiting: { stop?: NodeJS.Signals; reload?: true } = {};

  constructor() {
    this.stopRequested = new Promise(resolve => this.signal.addEventListener('abort', () => resolve()));
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => this.#stop(signal));
    process.on('SIGHUP', () => this.#hangUp());
    // A parent that was killed cannot tell us; its channel closes.
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

/** Tells the parent, if there is one that listens. */
export function sendReady(message: RoleReady): void {
  if (process.channel) process.send?.(message);
}
