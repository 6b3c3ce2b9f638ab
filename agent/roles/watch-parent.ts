// The process that started this one, where it keeps a channel to it (muster dev does): when it ends, so do we.

let parentEnded = false;

/** To be called first of all: a parent that ends while this program still loads would be missed. */
export function watchParent(): void {
  listen(() => {
    parentEnded = true;
  });
}

/** Calls `fn` when the parent has ended; never where there was none that keeps a channel. */
export function onParentEnd(fn: () => void): void {
  if (parentEnded) fn();
  else listen(fn);
}

// A listener would keep this process alive after its work is done.
function listen(fn: () => void): void {
  if (!process.channel) return;
  process.once('disconnect', fn);
  process.channel.unref();
}
