// Asks the requester over its HTTP API, with the token of whoever signed in.
import { operationHeader } from '../../protocol/operation.ts';
import { plainDirection } from '../../system/plain-direction.ts';
import { tokenHeaders } from './session.ts';

/** A refusal of the requester, or that it does not answer. */
export class AskError extends Error {
  override readonly name = 'AskError';
  /** The HTTP status; 0 when there was no answer, or only a part of one. */
  readonly status: number;
  /** What to do about it; empty when nobody says. */
  readonly hint: string;

  constructor(status: number, message: string, hint = '') {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

export interface Question {
  method?: 'GET' | 'PUT' | 'POST' | 'DELETE';
  body?: unknown;
  /** The id of the operation of a change. */
  operation?: string;
  signal?: AbortSignal;
}

/** Time for an answer, in milliseconds. A change waits for the store, which gives up earlier. */
const answerTimeoutMs = 15_000;

/** Returns the answer, which is JSON of whatever form. @throws AskError */
export async function ask(
  path: string,
  { method = 'GET', body, operation, signal }: Question = {},
): Promise<unknown> {
  const timeout = AbortSignal.timeout(answerTimeoutMs);
  const response = await fetch(path, {
    method,
    headers: {
      Accept: 'application/json',
      ...tokenHeaders(),
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(operation === undefined ? {} : { [operationHeader]: operation }),
    },
    body: body === undefined ? null : JSON.stringify(body),
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  }).catch((cause: unknown) => {
    throw new AskError(0, 'the requester does not answer', textOf(cause));
  });
  const answer = await answerIn(response).catch((cause: unknown) => {
    // What was asked for may have been done, so this is no answer at all.
    if (response.ok) throw new AskError(0, 'the answer of the requester cannot be read', textOf(cause));
  });
  if (response.ok) return answer;
  const { Message, Hint } = (answer ?? {}) as { Message?: unknown; Hint?: unknown };
  throw new AskError(
    response.status,
    typeof Message === 'string' ? Message : `the requester answers ${response.status}`,
    typeof Hint === 'string' ? Hint : '',
  );
}

const answerIn = async (response: Response): Promise<unknown> =>
  JSON.parse(plainDirection(await response.text()));

const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : '');
