// Defines the bodies of the HTTP API about listeners: programs of other people that read the events.
import * as v from 'valibot';
import { maxTokenSeconds } from './http-operators.ts';
import { durablePattern, listenerNamePattern } from './listener.ts';
import { goTime } from './node-info.ts';
import { count, struct, text } from './schema.ts';

/** The body of the POST that makes a listener. */
export const newListenerSchema = struct({
  Name: v.pipe(
    v.string(),
    v.regex(listenerNamePattern, 'a name is 1 to 64 of the characters A-Z a-z 0-9 _ -'),
  ),
  /** Whether it also reads the events that are stored already. */
  FromOldest: v.optional(v.boolean(), false),
  /** Whether it may also speak with approved nodes, on the subjects that `broker.approved` opens for them. */
  Work: v.optional(v.boolean(), false),
  /** Time for which the token is valid; absent or 0 when it stays valid. */
  ExpiresInSeconds: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(maxTokenSeconds)),
    0,
  ),
  /** What the caller says of itself. It is only recorded beside the operator whose token the caller has. */
  Actor: v.optional(v.pipe(v.string(), v.maxLength(256)), ''),
});
export type NewListenerBody = v.InferOutput<typeof newListenerSchema>;

/** A listener as operators see it: everything but its token. */
export const listenerViewSchema = struct({
  Name: v.pipe(v.string(), v.regex(listenerNamePattern)),
  Durable: v.pipe(v.string(), v.regex(durablePattern)),
  /** Whether it may also speak with approved nodes. */
  Work: v.optional(v.boolean(), false),
  /** Number of events that it has not read and acknowledged yet; absent when the broker does not tell. */
  Unread: v.optional(count()),
  /** Time from which the token is no longer valid; absent when it stays valid. */
  Expires: v.optional(goTime()),
  CreatedBy: text(256),
  At: goTime(),
});
export type ListenerView = v.InferOutput<typeof listenerViewSchema>;

export const listenerListSchema = struct({
  Listeners: v.pipe(v.array(listenerViewSchema), v.maxLength(10_000)),
});

/** The answer to the POST: all that a program needs. The token is shown here, and never again. */
export const createdListenerSchema = struct({
  Name: v.pipe(v.string(), v.regex(listenerNamePattern)),
  Token: v.pipe(v.string(), v.minLength(1), v.maxLength(256)),
  /** The addresses of the brokers. */
  Servers: v.pipe(v.array(v.pipe(v.string(), v.maxLength(512))), v.maxLength(64)),
  /** The CA of the brokers in PEM; empty when they have no TLS, or a certificate of a public CA. */
  CA: text(65_536),
  Stream: text(256),
  Durable: v.pipe(v.string(), v.regex(durablePattern)),
  /** The beginning of the subjects on which the broker answers. */
  InboxPrefix: text(256),
  Expires: v.optional(goTime()),
  /** Whether the broker listens on its own machine only. */
  LocalOnly: v.boolean(),
  /** Whether `broker.approved` opens something for approved nodes; absent when the listener may not speak with them. */
  WorkOpen: v.optional(v.boolean()),
});
export type CreatedListener = v.InferOutput<typeof createdListenerSchema>;
