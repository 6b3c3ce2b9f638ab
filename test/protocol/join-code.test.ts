// A join code is read as it was written, and every damage of its line is noticed and called by its name.
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  codeIdOf,
  encodeJoinCode,
  type JoinCode,
  type JoinCodeReading,
  joinCodeLimits,
  joinToken,
  readJoinCode,
} from '../../agent/protocol/join-code.ts';
import { jsonValues, unit } from '../support/messages.ts';
import { thrownBy } from '../support/refusal.ts';

const code: JoinCode = {
  servers: ['tls://head:4222', 'tls://[fd00::1]:4222'],
  pins: [Buffer.alloc(32, 7).toString('base64url')],
  token: joinToken('abcdefgh23', Buffer.alloc(16, 1)),
  cluster: '7c1d2a34-5b6e-4f70-8a91-b2c3d4e5f607',
  endsAt: 1_795_860_000,
};

const letters = (alphabet: string, minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...alphabet), minLength, maxLength });
const base64url = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const hosts = fc.oneof(letters('abz019.-_', 1, 253), fc.constantFrom('[::1]', '[fd00::a:1]', '10.0.0.1'));
const codes: fc.Arbitrary<JoinCode> = fc.record(
  {
    servers: fc.array(
      fc
        .tuple(fc.constantFrom('nats', 'tls'), hosts, fc.integer({ min: 1, max: 65_535 }))
        .map(([scheme, host, port]) => `${scheme}://${host}:${port}`),
      { minLength: 1, maxLength: joinCodeLimits.servers },
    ),
    pins: fc.array(letters(base64url, 43, 43), { maxLength: joinCodeLimits.pins }),
    token: fc
      .tuple(letters('abyz27', 10, 10), fc.uint8Array({ minLength: 16, maxLength: 16 }))
      .map(([id, secret]) => joinToken(id, secret)),
    cluster: letters(base64url, 1, 128),
    endsAt: fc.integer({ min: 1, max: 8.64e12 }),
  },
  { noNullPrototype: true },
);

/** Returns the line of any content, with a right checksum. */
function lineOf(content: Uint8Array | string): string {
  const bytes = Buffer.from(content as string);
  const sum = hash('sha256', bytes, 'buffer').subarray(0, 6);
  return `muster1.${Buffer.concat([bytes, sum]).toString('base64url')}`;
}

describe('a code', () => {
  test('is one line without blanks, which begins with its version', () => {
    const line = encodeJoinCode(code);
    assert.match(line, /^muster1\.[A-Za-z0-9_-]+$/);
    assert.ok(line.length < 350, line);
    assert.deepEqual(readJoinCode(line), { kind: 'valid', code });
  });

  test('is read as it was written, whatever it holds', () => {
    fc.assert(
      fc.property(codes, each => {
        const line = encodeJoinCode(each);
        assert.ok(line.length <= joinCodeLimits.characters);
        assert.deepEqual(readJoinCode(line), { kind: 'valid', code: each });
      }),
      { numRuns: 500 },
    );
  });

  test('may be wrapped by a mail program and stand between blanks', () => {
    const wrapped = ` ${encodeJoinCode(code).replace(/.{60}/g, '$&\r\n  ')}\n`;
    assert.deepEqual(readJoinCode(wrapped), { kind: 'valid', code });
  });

  test('needs no pin when the broker has no TLS', () => {
    const local = { ...code, servers: ['nats://127.0.0.1:4222'], pins: [] };
    assert.deepEqual(readJoinCode(encodeJoinCode(local)), { kind: 'valid', code: local });
  });

  test('is not made of what could not be read again', () => {
    const pin = code.pins[0] ?? '';
    const wrong: Partial<JoinCode>[] = [
      { servers: [] },
      { servers: ['http://head:4222'] },
      { servers: ['tls://user@head:4222'] },
      { servers: ['tls://head:0'] },
      { servers: ['tls://head:65536'] },
      { servers: Array.from({ length: 7 }, () => 'tls://head:4222') },
      { pins: ['short'] },
      { pins: Array.from({ length: 5 }, () => pin) },
      { token: 'join-abc-def' },
      { cluster: '' },
      { cluster: 'a b' },
      { endsAt: 0 },
      { endsAt: 1.5 },
    ];
    for (const each of wrong)
      thrownBy(() => encodeJoinCode({ ...code, ...each }), JSON.stringify(each).slice(0, 60));
  });
});

describe('a bad text', () => {
  test('with one wrong, missing or added character at any place is torn', () => {
    const line = encodeJoinCode(code);
    const torn = (text: string) => assert.deepEqual(readJoinCode(text), { kind: 'torn' }, text);
    for (let at = 'muster1.'.length; at < line.length; at++) {
      torn(line.slice(0, at));
      torn(line.slice(0, at) + line.slice(at + 1));
      torn(`${line.slice(0, at)}x${line.slice(at)}`);
      torn(line.slice(0, at) + (line[at] === 'A' ? 'B' : 'A') + line.slice(at + 1));
    }
    torn('muster1.');
    torn('muster1');
    torn(`${line}\u0000`);
    torn(`${line}+`);
    torn(`${line}=`);
  });

  test('of another version says so, before its content is looked at', () => {
    const line = encodeJoinCode(code);
    assert.deepEqual(readJoinCode(line.replace('muster1.', 'muster2.')), {
      kind: 'other_version',
      version: 2,
    });
    assert.deepEqual(readJoinCode('muster12.?'), { kind: 'other_version', version: 12 });
  });

  test('that is no code says so', () => {
    const line = encodeJoinCode(code);
    const texts = ['', ' ', '\n', 'muster', 'muster.', 'muster99999.', 'Muster1.', 'x', line.slice(1)];
    texts.push(code.token, line.repeat(30), 'A'.repeat(1_000_000), lineOf('{}'), lineOf('null'), lineOf(''));
    texts.push(lineOf('{'), lineOf(Buffer.from([0xff, 0xfe])), lineOf(JSON.stringify({ s: 1 })));
    for (const text of texts)
      assert.equal(readJoinCode(text).kind, text === lineOf('') ? 'torn' : 'not_a_code', text.slice(0, 60));
  });

  test('of any structure is read or called bad, and never throws', () => {
    const line = encodeJoinCode(code);
    const change = fc
      .tuple(fc.nat(line.length), fc.nat(40), fc.string({ unit, maxLength: 40 }))
      .map(([at, count, text]) => line.slice(0, at) + text + line.slice(at + count));
    const content = {
      s: code.servers,
      p: code.pins,
      t: code.token,
      c: code.cluster,
      e: code.endsAt,
    } as Record<string, unknown>;
    const member = fc
      .tuple(fc.constantFrom(...Object.keys(content), 'x', '__proto__'), jsonValues(3))
      .map(([name, value]) => lineOf(JSON.stringify({ ...content, [name]: value })));
    const cut = fc
      .tuple(fc.nat(300), fc.uint8Array({ maxLength: 40 }))
      .map(([at, bytes]) =>
        lineOf(Buffer.concat([Buffer.from(JSON.stringify(content)).subarray(0, at), bytes])),
      );
    const texts = fc.oneof(
      change,
      member,
      cut,
      fc.string({ unit, maxLength: 100 }).map(text => `muster1.${text}`),
      fc.uint8Array({ maxLength: 2_000 }).map(lineOf),
      fc.string({ unit, maxLength: 200 }),
      codes.map(encodeJoinCode),
    );
    const kinds = new Set<string>();
    fc.assert(
      fc.property(texts, text => {
        const reading: JoinCodeReading = readJoinCode(text);
        kinds.add(reading.kind);
        // What is read as a code can be written as one, so it is within the limits.
        if (reading.kind === 'valid') assert.deepEqual(readJoinCode(encodeJoinCode(reading.code)), reading);
      }),
      { numRuns: 5_000 },
    );
    assert.ok(
      ['valid', 'torn', 'not_a_code'].every(kind => kinds.has(kind)),
      [...kinds].join(),
    );
  });
});

describe('a token', () => {
  test('names its code', () => {
    assert.equal(codeIdOf(code.token), 'abcdefgh23');
    for (const text of [
      '',
      'join-',
      `${code.token}x`,
      ` ${code.token}`,
      code.token.toUpperCase(),
      'x'.repeat(99),
    ])
      assert.equal(codeIdOf(text), undefined, text);
  });
});
