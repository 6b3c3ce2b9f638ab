// Reads what an operator asks for one node, in the body of a PUT: approve, reject or delete it.
import { ProtocolError } from '../../protocol/error.ts';
import { type DecisionAction, decisionActions, decisionSchema } from '../../protocol/http.ts';
import { parseJson } from '../../protocol/json.ts';
import { validate } from '../../protocol/schema.ts';
import { printable } from '../../system/printable.ts';
import type { Directory } from '../directory/directory.ts';
import { RequestFault } from './problem.ts';

export interface NodeChange {
  action: DecisionAction;
  reason: string;
  /** Who the caller claims to be. Nothing proves it until the API asks for tokens. */
  actor: string;
}

/**
 * Reads the body of a PUT. The body carries the caller's token, so an error repeats nothing of it but the action.
 * @throws RequestFault 400
 */
export function readNodeChange(body: Uint8Array): NodeChange {
  const { Action, Message, Actor } = read(body);
  const action = decisionActions.find(name => name === Action);
  if (!action) {
    throw new RequestFault(
      400,
      `unsupported action "${printable(Action)}"; allowed: ${decisionActions.join(', ')}`,
    );
  }
  return { action, reason: Message, actor: Actor };
}

/**
 * Carries out the change.
 * @throws MusterError as the directory does.
 */
export async function changeNode(directory: Directory, name: string, change: NodeChange): Promise<void> {
  const { action, reason, actor } = change;
  await directory[action](name, { reason, actor });
}

function read(body: Uint8Array) {
  try {
    const decision = validate(decisionSchema, parseJson(body));
    if (printable(decision.Actor) !== decision.Actor)
      throw new ProtocolError('invalid_field', 'holds characters that cannot be printed', 'Actor');
    return decision;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new RequestFault(400, `cannot read the request: ${error.message}`);
  }
}
