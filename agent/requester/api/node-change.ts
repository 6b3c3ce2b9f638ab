// Reads what an operator asks for one node, in the body of a PUT: approve, reject or delete it.
import * as v from 'valibot';
import { ProtocolError } from '../../protocol/error.ts';
import { parseJson } from '../../protocol/json.ts';
import { struct, validate } from '../../protocol/schema.ts';
import { printable } from '../../system/printable.ts';
import type { Directory } from '../directory/directory.ts';
import { RequestFault } from './problem.ts';

const actions = ['approve', 'reject', 'delete'] as const;

export interface NodeChange {
  action: (typeof actions)[number];
  reason: string;
  /** Who the caller claims to be. Nothing proves it until the API asks for tokens. */
  actor: string;
}

const text = (most: number) => v.pipe(v.string(), v.maxLength(most, `longer than ${most} characters`));

// Bacalhau's other members (Credential, NodeID ...) are ignored, because the path names the node.
const bodySchema = struct({
  Action: v.optional(text(64), ''),
  Message: v.optional(text(1024), ''),
  Actor: v.optional(
    v.pipe(
      text(256),
      v.check(actor => printable(actor) === actor, 'holds characters that cannot be printed'),
    ),
    'api',
  ),
});

/**
 * Reads the body of a PUT. The body carries the caller's token, so an error repeats nothing of it but the action.
 * @throws RequestFault 400
 */
export function readNodeChange(body: Uint8Array): NodeChange {
  const { Action, Message, Actor } = read(body);
  const action = actions.find(known => known === Action);
  if (!action) {
    throw new RequestFault(400, `unsupported action "${printable(Action)}"; allowed: ${actions.join(', ')}`);
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
    return validate(bodySchema, parseJson(body));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new RequestFault(400, `cannot read the request: ${error.message}`);
  }
}
