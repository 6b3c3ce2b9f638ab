// Carries out decisions about many nodes, some at once, and remembers what became of each.
import { newOperation } from '../../protocol/operation.ts';
import { AskError, ask } from '../feed/ask.ts';
import type { Decision } from './deeds.ts';

/** What became of a decision: nothing more to say when it was carried out. */
export interface Outcome {
  readonly id: string;
  readonly operation: string;
  readonly fault?: Fault;
}

export interface Fault {
  readonly message: string;
  readonly hint: string;
  /** Whether the answer was lost, so that nobody knows yet whether it was carried out. */
  readonly isUnknown: boolean;
}

/** Number of decisions that are under way at once. */
const lanes = 6;

/** Sends one decision. @throws AskError */
export type Send = (decision: Decision, operation: string) => Promise<unknown>;

/**
 * Carries out the decisions and returns their outcomes, in the same order. `onDone` is called after each. Each decision is an
 * operation, so one whose answer was lost is sent a second time without harm.
 */
export async function carryOut(
  decisions: readonly Decision[],
  onDone: () => void = () => undefined,
  send: Send = sendDecision,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const entries = decisions.entries();
  const work = async () => {
    for (const [index, decision] of entries) {
      outcomes[index] = await outcomeOf(decision, send);
      onDone();
    }
  };
  await Promise.all(Array.from({ length: lanes }, work));
  return outcomes;
}

async function outcomeOf(decision: Decision, send: Send): Promise<Outcome> {
  const { id } = decision;
  const operation = newOperation(new Date(), crypto.randomUUID());
  try {
    await send(decision, operation).catch((error: unknown) => {
      if (error instanceof AskError && error.status === 0) return send(decision, operation);
      throw error;
    });
    return { id, operation };
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    const isUnknown = error.status === 0;
    const hint = isUnknown ? `what became of it: muster explain ${operation}` : error.hint;
    return { id, operation, fault: { message: error.message, hint, isUnknown } };
  }
}

const sendDecision: Send = ({ id, body }, operation) =>
  ask(`/api/v1/orchestrator/nodes/${encodeURIComponent(id)}`, { method: 'PUT', body, operation });
