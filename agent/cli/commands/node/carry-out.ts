// Carries out one thing for many nodes, several at once, and remembers what became of each.
import type { ShownNode } from '../../../api/answers.ts';
import { newOperation } from '../../../protocol/operation.ts';
import { systemClock } from '../../../system/clock.ts';
import { type ErrorCode, MusterError } from '../../../system/errors.ts';
import { systemRandom } from '../../../system/random.ts';

/** A node that a command is about. */
export interface Target {
  id: string;
  /** The node as a selection found it; absent when its id was typed. */
  node?: ShownNode;
  /** The shortest silence that the selection asked for, in milliseconds. */
  silentForMs?: number | undefined;
  /** The parameters of the other filters of the selection, which the node has to match when it is decided about. */
  filter?: Readonly<Record<string, string>>;
}

/** What became of the wish about one node, as `-o json` shows it. */
export interface Outcome {
  NodeID: string;
  /** `unknown` when the answer was lost: then the change may stand, and `muster explain` says so. */
  Result: 'done' | 'failed' | 'unknown' | 'not tried';
  /** The operation, by which the change is known to the requester; absent when it was not tried. */
  Operation?: string;
  Code?: ErrorCode;
  Error?: string;
  Hint?: string;
}

/**
 * Number of requests that are under way at once. A decision waits for the disk of the store most of the time, and more of them
 * at once would only wait in the requester.
 */
const atOnce = 16;

/** The errors after which no other node can have more success. */
const isHopeless = ({ code }: MusterError): boolean =>
  /^(unreachable|not_allowed|no_quorum|unsupported)$/.test(code);

/**
 * Calls `act` for each target, with an operation of its own. After an error that would meet all others too, and when `stopped`
 * says so, it begins no more, and waits for those that are under way. `onOutcome` hears of each as it ends. Returns all, in the
 * order of the targets. Throws what is no MusterError.
 */
export async function carryOut(
  targets: readonly Target[],
  act: (target: Target, operation: string) => Promise<void>,
  stopped: () => boolean,
  onOutcome: (outcome: Outcome, error?: MusterError) => void,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = targets.map(({ id }) => ({ NodeID: id, Result: 'not tried' }));
  let isOver = false;
  const waiting = targets.entries();
  const worker = async () => {
    for (const [index, target] of waiting) {
      if (isOver || stopped()) return;
      const operation = newOperation(systemClock.now(), systemRandom.uuid());
      const error = await act(target, operation).then(() => undefined, musterError);
      const outcome = outcomeOf(target.id, operation, error);
      outcomes[index] = outcome;
      isOver ||= error !== undefined && isHopeless(error);
      onOutcome(outcome, error);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return outcomes;
}

function outcomeOf(NodeID: string, Operation: string, error: MusterError | undefined): Outcome {
  if (!error) return { NodeID, Result: 'done', Operation };
  const { code: Code, message, hint } = error;
  // An error after which the change may stand names the operation to ask about.
  const mayStand = Code === 'unreachable' && `${message} ${hint}`.includes(Operation);
  const Result = mayStand ? 'unknown' : 'failed';
  return { NodeID, Result, Operation, Code, Error: message, ...(hint ? { Hint: hint } : {}) };
}

function musterError(error: unknown): MusterError {
  if (error instanceof MusterError) return error;
  throw error;
}
