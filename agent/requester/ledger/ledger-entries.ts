// Defines what the ledger keeps: the kinds of its entries, what each entry says, and the lines of its file. The functions
// are pure.
import * as v from 'valibot';
import { ProtocolError } from '../../protocol/error.ts';
import { parseJson } from '../../protocol/json.ts';
import { memberships } from '../../protocol/node-state.ts';
import { rememberedSchema } from '../../protocol/operation-schema.ts';
import { validate } from '../../protocol/schema.ts';

const short = (limit = 128) => v.pipe(v.string(), v.maxLength(limit));

/** A deleted node, by its id. The store has the same. */
export const deletedSchema = v.object({
  /** The key that was pinned to the node, `N…`. */
  key: short(),
  /** The join code with which the key came; absent when an operator took the key by hand. */
  code: v.optional(short()),
  /** The membership of the node before, and its host name; absent when they were not known. */
  membership: v.optional(v.picklist(memberships)),
  host: v.optional(short(255)),
  /** The operator who deleted it, the reason, and the time (RFC 3339). */
  actor: short(256),
  reason: v.optional(short(1024)),
  at: short(64),
});

/** A ban, by the key. The store has the same. */
export const banSchema = v.object({
  /** The node that had the key. */
  id: short(),
  /** The operator, and the reason that the operator gave; it may be empty. */
  actor: short(256),
  reason: short(1024),
  /** The time of the ban, RFC 3339. */
  at: short(64),
  /** The last operations that banned the key or lifted its ban. */
  operations: v.optional(rememberedSchema),
});

const schemas = {
  deleted: deletedSchema,
  ban: banSchema,
  /** A key that another one has replaced, by the old key. */
  replaced: v.object({ node: short(), by: short(), at: short(64) }),
  /** A join code that lets nobody in any more before its end, by its id. */
  code: v.object({ at: short(64) }),
  /** A token that is void, by its SHA-256 in base64url. `holder` is such as `operator ada`. */
  token: v.object({ holder: short(), at: short(64) }),
} as const;

export type LedgerKind = keyof typeof schemas;
export type LedgerEntry<Kind extends LedgerKind> = v.InferOutput<(typeof schemas)[Kind]>;
export const ledgerKinds = Object.keys(schemas) as LedgerKind[];

/** One line of the file: an entry, or without `value` the removal of one. */
export interface LedgerLine {
  kind: LedgerKind;
  name: string;
  value?: LedgerEntry<LedgerKind>;
}

const lineSchema = v.object({
  kind: v.picklist(ledgerKinds),
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(128)),
  value: v.optional(v.unknown()),
});

export const writeLedgerLine = (line: LedgerLine): string => JSON.stringify(line);

/** Reads a line of the file; undefined for one that is torn or that this version does not know. */
export function readLedgerLine(text: string): LedgerLine | undefined {
  try {
    const { kind, name, value } = validate(lineSchema, parseJson(Buffer.from(text)));
    return value === undefined ? { kind, name } : { kind, name, value: validate(schemas[kind], value) };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}
