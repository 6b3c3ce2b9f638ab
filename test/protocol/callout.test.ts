// The questions of a broker whether to let a client in are read as they are, and nothing else is taken for one.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readCalloutQuestion, writeCalloutAnswer } from '../../agent/protocol/callout.ts';
import { ProtocolError } from '../../agent/protocol/error.ts';
import { readSignedToken, writeSignedToken } from '../../agent/protocol/signed-token.ts';
import { keyPairOf } from '../../agent/transport/key-pair.ts';
import {
  claimsOf,
  issuerKey,
  questionClaims,
  serverKey,
  writeQuestion,
} from '../support/callout-questions.ts';

const clientKey = keyPairOf(new Uint8Array(32).fill(3), 'node');
const read = (claims: object, key = serverKey) =>
  readCalloutQuestion(Buffer.from(writeSignedToken(claims, key)));

describe('a question', () => {
  test('is read with all that the client showed', () => {
    const question = readCalloutQuestion(
      writeQuestion({
        key: clientKey,
        name: 'node-1 instance=x',
        token: 't',
        connection: 7,
        host: '192.0.2.7',
      }),
    );
    assert.deepEqual(question, {
      server: serverKey.publicKey,
      connection: 7,
      user: keyPairOf(new Uint8Array(32).fill(9), 'user').publicKey,
      askedAt: 1_700_000_000,
      host: '192.0.2.7',
      isPlain: true,
      nonce: 'AAAAAAAAAAAAAAA',
      offers: {
        key: clientKey.userKey,
        signature: question.offers.signature,
        token: 't',
        name: 'node-1 instance=x',
        user: '',
        password: '',
      },
      serverKey: '',
    });
  });

  test('that another server signed, or one that is no server, is refused', () => {
    const other = keyPairOf(new Uint8Array(32).fill(5), 'node');
    assert.throws(() => read(questionClaims(), other), /another server signed/);
    for (const kind of ['user', 'account'] as const)
      assert.throws(() => read(questionClaims(), keyPairOf(new Uint8Array(32).fill(7), kind)), ProtocolError);
  });

  test('of which one character is changed is refused', () => {
    const text = writeQuestion({ key: clientKey }).toString();
    fc.assert(
      fc.property(
        fc.nat(text.length - 1),
        fc.constantFrom('A', 'b', '-', '.', '=', ' ', '\u0000'),
        (at, letter) => {
          fc.pre(text[at] !== letter);
          const changed = text.slice(0, at) + letter + text.slice(at + 1);
          // The last letter of a part in base64 has unused bits, so another letter may stand for the same bytes.
          const isSame = changed.split('.').every((part, n) => {
            const bytes = Buffer.from(part, 'base64url');
            return bytes.equals(Buffer.from(text.split('.')[n] ?? '', 'base64url'));
          });
          if (isSame && changed.split('.').slice(0, 2).join() === text.split('.').slice(0, 2).join()) return;
          assert.throws(() => readCalloutQuestion(Buffer.from(changed)), ProtocolError);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test('with any members of any kind is read or refused, and nothing else happens', () => {
    const value = fc.oneof(
      fc.jsonValue(),
      fc.string({ maxLength: 5_000 }),
      fc.constant('__proto__'),
      fc.double(),
    );
    const members = [
      ['nats', 'server_id'],
      ['nats', 'user_nkey'],
      ['nats', 'client_info'],
      ['nats', 'client_info', 'nonce'],
      ['nats', 'client_info', 'id'],
      ['nats', 'client_info', 'kind'],
      ['nats', 'connect_opts'],
      ['nats', 'connect_opts', 'nkey'],
      ['nats', 'connect_opts', 'sig'],
      ['nats', 'connect_opts', 'auth_token'],
      ['nats', 'connect_opts', 'name'],
      ['nats'],
      ['iat'],
      ['iss'],
    ];
    let readable = 0;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(...members), value), { minLength: 1, maxLength: 3 }),
        changes => {
          const claims = questionClaims({ key: clientKey });
          for (const [path, replaced] of changes) setMember(claims, path, replaced);
          try {
            const { offers, host, nonce } = read(claims);
            readable++;
            for (const text of [...Object.values(offers), host, nonce]) assert.equal(typeof text, 'string');
            assert.ok(offers.name.length <= 1_024 && offers.token.length <= 4_096);
          } catch (error) {
            if (!(error instanceof ProtocolError)) throw error;
          }
        },
      ),
      { numRuns: 2_500 },
    );
    assert.ok(readable > 100, `only ${readable} were readable`);
  });

  test('that is any bytes is refused', () => {
    const part = fc.oneof(
      fc.base64String({ maxLength: 200 }),
      fc.json().map(text => Buffer.from(text).toString('base64url')),
    );
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 500 }).map(list => Buffer.from(list)),
      fc.array(part, { maxLength: 5 }).map(parts => Buffer.from(parts.join('.'))),
    );
    fc.assert(
      fc.property(bytes, data => {
        assert.throws(() => readCalloutQuestion(data), ProtocolError);
      }),
      { numRuns: 1_500 },
    );
    assert.throws(() => readCalloutQuestion(Buffer.alloc(100_000, 'a')), /too long/);
  });
});

describe('an answer', () => {
  const question = readCalloutQuestion(writeQuestion({ key: clientKey }));
  const answerOf = (lastsSeconds?: number, publish = ['a.b']) => {
    const permissions = { publish, subscribe: ['c.>'], mayAnswer: false };
    const text = writeCalloutAnswer(question, { account: 'MUSTER', permissions, lastsSeconds }, issuerKey);
    assert.equal(readSignedToken(text, 'account').issuer, issuerKey.publicKey);
    const outer = claimsOf(text) as { aud: string; sub: string; nats: { jwt: string } };
    assert.equal(readSignedToken(outer.nats.jwt, 'account').issuer, issuerKey.publicKey);
    return { outer, user: claimsOf(outer.nats.jwt) as { exp?: number; aud: string; nats: { pub: unknown } } };
  };

  test('is for the server and the client that asked, and ends by the clock of the server', () => {
    const { outer, user } = answerOf(30);
    assert.deepEqual([outer.aud, outer.sub, user.aud], [serverKey.publicKey, question.user, 'MUSTER']);
    assert.equal(user.exp, question.askedAt + 30);
    assert.equal(answerOf().user.exp, undefined);
  });

  test('for servers with an operator names the account by its key, and for whom the signing key signs', () => {
    const keys = new Map([
      ['MUSTER', 'AMUSTER'],
      ['LISTEN', 'ALISTEN'],
    ]);
    const permissions = { publish: ['a.b'], subscribe: ['c.>'], mayAnswer: false };
    const accounts = { keys, signer: issuerKey.publicKey };
    const text = writeCalloutAnswer(question, { account: 'LISTEN', permissions }, issuerKey, accounts);
    const outer = claimsOf(text) as { nats: { jwt: string; issuer_account: string } };
    const user = claimsOf(outer.nats.jwt) as { aud: string; nats: { issuer_account: string } };
    assert.deepEqual(
      [outer.nats.issuer_account, user.nats.issuer_account, user.aud],
      ['AMUSTER', 'ALISTEN', 'ALISTEN'],
    );
  });

  test('that permits nothing denies everything, because an empty list would permit everything', () => {
    assert.deepEqual(answerOf(undefined, []).user.nats.pub, { deny: ['>'] });
  });
});

function setMember(root: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at: unknown = root;
  for (const name of path.slice(0, -1)) at = (at as Record<string, unknown> | null)?.[name];
  if (typeof at === 'object' && at !== null) (at as Record<string, unknown>)[path.at(-1) ?? ''] = value;
}
