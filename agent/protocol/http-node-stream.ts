// Defines the stream of nodes of the HTTP API: a line of JSON about the list, then one for each node. It is for long lists, of
// which neither side then holds the whole text.
import * as v from 'valibot';
import { goTime } from './node-info.ts';
import { count, struct, text } from './schema.ts';

/** The media type that a client accepts, and that the answer has, when the list comes as a stream. */
export const nodeStreamType = 'application/x-ndjson';

/** The first line. The widths let a reader align columns before it has read the other lines. */
export const nodeStreamHeadSchema = struct({
  /** Number of the lines that follow. */
  Nodes: count(),
  /** Number of requesters among them. */
  Requesters: count(),
  /** The time of the list, by the requester's clock. */
  At: goTime(),
  /** The state of the requester, and its reason; as in its status. */
  State: text(64),
  Reason: text(1024),
  /** The width of each column of `muster node list` in characters; 0 for one that says nothing in this list. */
  Widths: v.pipe(
    v.custom<Record<string, number>>(
      value => typeof value === 'object' && value !== null && !Array.isArray(value),
      'expected an object',
    ),
    v.check(widths => Object.keys(widths).length <= 64, 'more than 64 keys'),
    v.check(
      widths => Object.values(widths).every(width => Number.isInteger(width) && width >= 0 && width <= 4096),
      'a width is a whole number up to 4096',
    ),
  ),
});
export type NodeStreamHead = v.InferOutput<typeof nodeStreamHeadSchema>;
