// Limits the body of a change, and reads it by its schema.
import type { Context, MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type * as v from 'valibot';
import { ProtocolError } from '../../protocol/error.ts';
import { parseJson } from '../../protocol/json.ts';
import { validate, validateStored } from '../../protocol/schema.ts';
import { unknownOf } from '../../protocol/unknown-members.ts';
import { printable } from '../../system/printable.ts';
import { RequestFault } from './problem.ts';

/** Returns the handler that refuses a larger body, with RequestFault 413. */
export function limitBody(maxBytes: number): MiddlewareHandler {
  const onError = () => {
    throw new RequestFault(413, `the body is larger than ${maxBytes} bytes`);
  };
  return bodyLimit({ maxSize: maxBytes, onError });
}

/** Members that the tools of Bacalhau send in every body, and that say nothing here: the path names the node. */
const ignoredMembers = ['namespace', 'credential', 'idempotencytoken', 'nodeid'];

/**
 * Reads a body. Its member `Actor` is what the caller says of itself, and must be printable. A member that nobody knows is refused:
 * whoever writes `Fingerprnt` wants something else than what would be done. @throws RequestFault 400
 */
export function readBody<const T extends v.GenericSchema<unknown, { Actor: string }>>(
  schema: T,
  body: Uint8Array,
): v.InferOutput<T> {
  try {
    const sent = parseJson(body);
    const value = validate(schema, sent);
    const [unknown] = unknownNames(schema, sent);
    if (unknown !== undefined)
      throw new ProtocolError('malformed', `the member ${printable(unknown, 64)} is not known here`);
    if (printable(value.Actor) !== value.Actor)
      throw new ProtocolError('invalid_field', 'holds characters that cannot be printed', 'Actor');
    return value;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new RequestFault(400, `cannot read the request: ${error.message}`);
  }
}

const unknownNames = (schema: v.GenericSchema<unknown, object>, sent: unknown): string[] =>
  Object.keys(unknownOf(validateStored(schema, sent)) ?? {}).filter(
    name => !ignoredMembers.includes(name.toLowerCase()),
  );

/**
 * Returns what the caller of a DELETE says of itself. It is in the query, because some clients send no body with this method.
 * @throws RequestFault 400
 */
export function claimedActor(call: Context): string {
  const text = call.req.query('actor') ?? '';
  if (text.length <= 256 && printable(text) === text) return text;
  throw new RequestFault(400, 'actor is longer than 256 characters, or holds some that cannot be printed');
}
