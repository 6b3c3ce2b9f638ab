// Divides work about many nodes, so that heartbeats and requests do not wait until all of it is done.
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Number of nodes in one turn, which are some milliseconds of work. */
const nodesInOneTurn = 1_000;

/** Yields all of `nodes` in parts, and lets other work have its turn between them. */
export async function* inTurns<T>(nodes: readonly T[]): AsyncGenerator<T[]> {
  for (let from = 0; from < nodes.length; from += nodesInOneTurn) {
    if (from > 0) await nextTurn();
    yield nodes.slice(from, from + nodesInOneTurn);
  }
}
