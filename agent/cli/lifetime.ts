// The life of a long-running role: it stops on SIGTERM, SIGINT, or with the process that started it; SIGHUP reloads.
import type { Log } from '../system/log.ts';
import { endNow } from './exit.ts';
import { onParentGone } from './parent.ts';

/** Milliseconds in which a stop must be done. */
const stopDeadline = 4_800;

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
  readonly over: Promise<void>;
  /** It is over. */
  readonly ending: boolean;
  /** Ends it from inside. */
  end(): void;
}

/**
 * Watches the signals of this process. A second SIGTERM or SIGINT, or a stop that takes 4.8 s, ends it at once.
 * `reload` must not throw.
 */
export function lifetime(log: Log, reload: () => void): Lifetime {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  let ending = false;
  const end = () => {
    if (ending) return;
    ending = true;
    resolve();
    const timer = setTimeout(() => {
      log.error({}, 'stopping took too long; the process ends now');
      void endNow(1);
    }, stopDeadline);
    timer.unref();
  };
  const onSignal = (signal: NodeJS.Signals) => {
    if (ending) return endBy(signal);
    log.info({ signal }, 'stopping');
    end();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  process.on('SIGHUP', reload);
  // A parent that was killed cannot tell us; its channel closes.
  onParentGone(end);
  return {
    over,
    get ending() {
      return ending;
    },
    end,
  };
}

/** Tells the parent, if there is one that listens. */
export function tellReady(message: RoleReady): void {
  if (process.channel) process.send?.(message);
}

// What the signal does to a process that does not listen for it.
function endBy(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}
