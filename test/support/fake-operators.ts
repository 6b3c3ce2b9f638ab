// Operators with known tokens, in memory, for tests of the API and of the commands.
import type { OperatorView } from '../../agent/protocol/http-operators.ts';
import { operatorToken } from '../../agent/protocol/operator-token.ts';
import { hashToken } from '../../agent/protocol/secret-hash.ts';
import type { Directory } from '../../agent/requester/directory/directory.ts';
import type { Act } from '../../agent/requester/events/requester-events.ts';
import type { OperatorRecord } from '../../agent/requester/operators/operator-record.ts';
import { OperatorTable, type TokenCheck } from '../../agent/requester/operators/operator-table.ts';
import type { NewOperator } from '../../agent/requester/operators/operators.ts';
import { MusterError } from '../../agent/system/errors.ts';

const secretOf = (digit: number) => Buffer.alloc(32, digit);

/** The tokens of the operators: one who may do everything, one who may only read, and one whose token has expired. */
export const tokens = {
  tester: operatorToken('tester', secretOf(1)),
  reader: operatorToken('reader', secretOf(2)),
  former: operatorToken('former', secretOf(3)),
} as const;

const madeAt = '2026-01-01T12:00:00.000Z';
export const expiredAt = '2026-01-02T12:00:00.000Z';

export class FakeOperators implements Pick<Directory['operators'], keyof Directory['operators']> {
  readonly records = new Map<string, OperatorRecord>();
  readonly #table = new OperatorTable(this.records);
  /** The acts of those who made and revoked tokens. */
  readonly acts: string[] = [];

  constructor() {
    for (const [name, token] of Object.entries(tokens)) {
      this.records.set(name, {
        hash: hashToken(token).toString('base64url'),
        readOnly: name === 'reader',
        ...(name === 'former' ? { expires: expiredAt } : {}),
        createdBy: 'requester',
        at: madeAt,
      });
    }
  }

  check(text: string): TokenCheck {
    return this.#table.check(text, new Date());
  }

  prove(name: string, nonce: string, place: string): Buffer {
    return this.#table.prove(name, nonce, place);
  }

  list(): OperatorView[] {
    return [...this.records].map(([Name, { readOnly, expires, createdBy, at }]) => ({
      Name,
      ReadOnly: readOnly,
      ...(expires ? { Expires: expires } : {}),
      CreatedBy: createdBy,
      At: at,
    }));
  }

  async create({ name, readOnly, validMs }: NewOperator, { actor, claimedActor }: Act): Promise<string> {
    if (this.records.has(name)) throw new MusterError('conflict', `there is an operator ${name} already`);
    this.acts.push(
      `${actor} (${claimedActor}) made ${name} ${readOnly ? 'read-only' : 'full'} ${validMs ?? 'for ever'}`,
    );
    const token = operatorToken(name, secretOf(9));
    const hash = hashToken(token).toString('base64url');
    this.records.set(name, { hash, readOnly, createdBy: actor, at: madeAt });
    return token;
  }

  async revoke(name: string, { actor, claimedActor }: Act): Promise<void> {
    if (!this.records.delete(name)) throw new MusterError('not_found', `there is no operator ${name}`);
    this.acts.push(`${actor} (${claimedActor}) revoked ${name}`);
  }
}
