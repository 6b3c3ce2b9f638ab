// Runs callbacks just before the process ends, by itself or by a signal. Only SIGKILL prevents them.

const callbacks = new Set<() => void>();
let listening = false;

/** Registers `callback`, which must neither wait nor throw. Returns a function that removes it again. */
export function onProcessEnd(callback: () => void): () => void {
  callbacks.add(callback);
  if (!listening) process.once('exit', runEndCallbacks);
  listening = true;
  return () => void callbacks.delete(callback);
}

/** Runs all callbacks. Code that ends the process without Node's `exit` event must call this. */
export function runEndCallbacks(): void {
  for (const callback of callbacks) callback();
  callbacks.clear();
}
