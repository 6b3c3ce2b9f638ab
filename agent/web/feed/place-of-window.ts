// Lets only so many windows of a browser read the live roll at the same time that each of them can still ask something. A browser
// gives six connections to a requester for all its windows, and a stream keeps one. Windows take their places by locks, which the
// browser frees when a window is closed, however that happens.

/** What of a browser's locks is used. */
export interface Locks {
  request(
    name: string,
    options: { ifAvailable: true },
    work: (lock: object | null) => Promise<void> | undefined,
  ): Promise<unknown>;
}

/** Number of the windows that may read; one connection is left for questions. */
export const mostWindows = 5;

/**
 * Takes a place until `signal` ends. Returns false when other windows have all places, and true where the browser gives no locks.
 */
export async function takePlace(
  signal: AbortSignal,
  locks: Locks | undefined = navigator.locks,
): Promise<boolean> {
  if (!locks) return true;
  try {
    for (let place = 1; place <= mostWindows; place++)
      if (await takeLock(locks, `muster window ${place}`, signal)) return true;
    return false;
  } catch {
    return true;
  }
}

function takeLock(locks: Locks, name: string, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  locks
    .request(name, { ifAvailable: true }, lock => {
      resolve(lock !== null);
      return lock === null ? undefined : ended(signal);
    })
    .catch(reject);
  return promise;
}

const ended = (signal: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
