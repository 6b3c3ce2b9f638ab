// Notices the end of the parent process, if the parent opened an IPC channel, as `muster dev` does.

let parentEnded = false;

/** To be called first. Otherwise the end of a parent while this program still loads would be missed. */
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

// Without unref() the channel would keep this process alive after its work is done.
function listen(fn: () => void): void {
  if (!process.channel) return;
  process.once('disconnect', fn);
  process.channel.unref();
}
