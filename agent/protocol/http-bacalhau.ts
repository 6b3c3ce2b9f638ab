// Defines the bodies of the HTTP API about the nodes of Bacalhau.
import * as v from 'valibot';
import { struct, text } from './schema.ts';

/** The body of the POST that asks for what these nodes need. */
export const bacalhauOrderSchema = struct({
  /** The name that the caller gives. It is only recorded beside the operator whose token the caller has. */
  Actor: v.optional(v.pipe(v.string(), v.maxLength(256)), ''),
});

/** What a node of Bacalhau needs to come in to the requester's own broker. */
export const bacalhauAccessSchema = struct({
  /** The addresses of the brokers, such as `tls://host:port`. */
  Servers: v.pipe(v.array(v.pipe(v.string(), v.maxLength(512))), v.maxLength(64)),
  Token: v.pipe(v.string(), v.minLength(1), v.maxLength(512)),
  /** The CA of the brokers in PEM; empty without TLS, or when it is not known. */
  CA: text(65_536),
  /** Whether the broker listens on its own machine only. */
  LocalOnly: v.boolean(),
});
export type BacalhauAccess = v.InferOutput<typeof bacalhauAccessSchema>;
