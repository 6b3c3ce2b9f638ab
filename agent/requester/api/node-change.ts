// Reads the body of a PUT, in which an operator asks to approve, reject, delete or rebuild one node.

import type * as v from 'valibot';
import { ProtocolError } from '../../protocol/error.ts';
import { type DecisionAction, decisionActions, decisionSchema, rebuildSchema } from '../../protocol/http.ts';
import { parseJson } from '../../protocol/json.ts';
import { validate } from '../../protocol/schema.ts';
import { printable } from '../../system/printable.ts';
import type { Decision } from '../roll/decisions.ts';
import { RequestFault } from './problem.ts';

/**
 * A decision of an operator. The actor is the name that the caller gives; nothing proves it until the API authenticates
 * callers.
 */
export interface NodeChange extends Decision {
  action: DecisionAction;
}

/**
 * Reads the body of a PUT. The body contains the caller's token, so an error quotes only the action. @throws RequestFault
 * 400
 */
export function readNodeChange(body: Uint8Array): NodeChange {
  const { Action, Message, Actor, Exact } = read(decisionSchema, body);
  const action = decisionActions.find(name => name === Action);
  if (!action) {
    throw new RequestFault(
      400,
      `unsupported action "${printable(Action)}"; allowed: ${decisionActions.join(', ')}`,
    );
  }
  return { action, reason: Message, actor: Actor, isExact: Exact };
}

/** Reads the body of the PUT that writes a lost record again, and returns the operator's name. @throws RequestFault 400 */
export const readRebuild = (body: Uint8Array): string => read(rebuildSchema, body).Actor;

function read<T extends typeof decisionSchema | typeof rebuildSchema>(
  schema: T,
  body: Uint8Array,
): v.InferOutput<T> {
  try {
    const decision = validate(schema, parseJson(body));
    if (printable(decision.Actor) !== decision.Actor)
      throw new ProtocolError('invalid_field', 'holds characters that cannot be printed', 'Actor');
    return decision;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new RequestFault(400, `cannot read the request: ${error.message}`);
  }
}
