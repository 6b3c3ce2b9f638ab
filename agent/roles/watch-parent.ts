// Notices the end of the parent process, if the parent opened an IPC channel. `muster dev` opens one.

let parentEnded = false;

/** Starts to watch the parent. It must be called first, because the parent may end while this program still loads. */
export function watchParent(): void {
  listen(() => {
    parentEnded = true;
  });
}

/** Calls `fn` when the parent has ended. It is never called when there is no channel. */
export function onParentEnd(fn: () => void): void {
  if (parentEnded) fn();
  else listen(fn);
}

// Calls `fn` when the channel is closed. Without unref() the channel would keep this process alive after its work is done.
function listen(fn: () => void): void {
  if (!process.channel) return;
  process.once('disconnect', fn);
  process.channel.unref();
}
