// What is done right before this process ends, by its last line, by a signal or at once: nothing but SIGKILL passes it over.

const acts = new Set<() => void>();
let listening = false;

/** Has `act` called, which must neither wait nor throw. Answers how to take that back. */
export function onProcessEnd(act: () => void): () => void {
  acts.add(act);
  if (!listening) process.once('exit', runEndCallbacks);
  listening = true;
  return () => void acts.delete(act);
}

/** To be called by what ends this process without Node's own `exit`. */
export function runEndCallbacks(): void {
  for (const act of acts) act();
  acts.clear();
}
