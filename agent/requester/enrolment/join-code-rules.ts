// The record of a join code, and the rules about it: in which state it is, whom it lets in, and when it is forgotten. The
// functions are pure.
import * as v from 'valibot';
import { goTime } from '../../protocol/node-info.ts';
import { rememberedSchema } from '../../protocol/operation-schema.ts';
import { strictTextMap } from '../../protocol/schema.ts';
import { parseIpNetwork } from '../../system/ip-network.ts';
import { withOperation } from '../cluster/record-operations.ts';

const name = v.pipe(v.string(), v.maxLength(256));
const short = v.pipe(v.string(), v.maxLength(128));

/** Number of pins of nodes that gave way that a record remembers. */
const maxGoneMarks = 32;

/** A use that is claimed for a key and its node. */
const claimSchema = v.object({ key: short, node: short, at: goTime() });
export type CodeClaim = v.InferOutput<typeof claimSchema>;
/** A key that wants to be pinned, and the id that it wants. */
export type Newcomer = Pick<CodeClaim, 'key' | 'node'>;

/** Members that this version does not know stay in the record when it is written again. */
export const joinCodeSchema = v.looseObject({
  /** The SHA-256 of the token, in base64url. The token itself is stored nowhere. */
  hash: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{43}$/)),
  at: goTime(),
  /** The operator who made the code. */
  by: name,
  endsAt: goTime(),
  /** Number of nodes that the code lets in. */
  uses: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  /** Whether the nodes are approved at their first registration. */
  approve: v.boolean(),
  /** Labels that the nodes get. */
  labels: strictTextMap(64, 63, 255),
  /** The network from which the nodes must connect, such as `10.0.0.0/8`; absent for any. */
  network: v.optional(
    v.pipe(
      v.string(),
      v.check(text => parseIpNetwork(text) !== undefined),
    ),
  ),
  revoked: v.optional(v.object({ at: goTime(), by: name })),
  /** The operations that made and revoked it. */
  operations: v.optional(rememberedSchema),
  /** Number of nodes that used it and gave way to newcomers since. Their pins are gone, and their uses still count. */
  gaveWay: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
  /** Uses that requesters have claimed while they write pins. A claim that became a pin counts no more. */
  claims: v.optional(v.pipe(v.array(claimSchema), v.maxLength(256))),
  /** Marks of the last pins that are counted there, so that each is counted once, whoever counts it. */
  goneMarks: v.optional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(16))), v.maxLength(maxGoneMarks))),
});
export type JoinCodeRecord = v.InferOutput<typeof joinCodeSchema>;

export const joinCodeStates = ['valid', 'revoked', 'spent', 'expired'] as const;
export type JoinCodeState = (typeof joinCodeStates)[number];

/** Returns the state of a code that `used` nodes have used. */
export function stateOf(code: JoinCodeRecord, used: number, now: Date): JoinCodeState {
  if (code.revoked) return 'revoked';
  if (used >= code.uses) return 'spent';
  return now.getTime() >= Date.parse(code.endsAt) ? 'expired' : 'valid';
}

/**
 * Returns the record after a node that used the code gave way, which had the pin of `mark`; undefined when that is counted
 * already, by an earlier attempt or another requester.
 */
export function withNodeGone(code: JoinCodeRecord, mark: string): JoinCodeRecord | undefined {
  const { gaveWay = 0, goneMarks = [] } = code;
  if (goneMarks.includes(mark)) return undefined;
  return { ...code, gaveWay: gaveWay + 1, goneMarks: [mark, ...goneMarks].slice(0, maxGoneMarks) };
}

/** Returns the record of a code that `operation` is revoking; undefined when it is revoked already. */
export const withRevoked = (
  code: JoinCodeRecord,
  revoked: NonNullable<JoinCodeRecord['revoked']>,
  operation: string | undefined,
): JoinCodeRecord | undefined =>
  code.revoked
    ? undefined
    : { ...code, revoked, ...withOperation(code.operations, 'join_code_revoked', operation) };

/** Returns whether the code lets in a node that connects from `address`. */
export const allowsAddress = ({ network }: JoinCodeRecord, address: string): boolean =>
  network === undefined || parseIpNetwork(network)?.contains(address) === true;

/**
 * Time for which a code is kept after its end, in milliseconds, so that a node that comes with it is told why it does not
 * come in; and the number of codes that are kept.
 */
export const keepAfterEndMs = 7 * 24 * 3_600_000;
export const maxCodes = 1_000;

/** A code as the rules see it. */
export interface UsedCode {
  id: string;
  code: JoinCodeRecord;
  used: number;
}

/**
 * Returns the ids of the codes that are forgotten: those that ended long ago, and so many more of those that let nobody in
 * that there is room for `newCodes` more. The first to end are forgotten first.
 */
export function codesToForget(codes: Iterable<UsedCode>, now: Date, newCodes = 0): string[] {
  const all = [...codes];
  const over = all.filter(({ code, used }) => stateOf(code, used, now) !== 'valid');
  over.sort((a, b) => Date.parse(a.code.endsAt) - Date.parse(b.code.endsAt));
  const tooMany = all.length + newCodes - maxCodes;
  const isOld = ({ code }: UsedCode) => now.getTime() - Date.parse(code.endsAt) > keepAfterEndMs;
  return over.filter((each, index) => index < tooMany || isOld(each)).map(({ id }) => id);
}
