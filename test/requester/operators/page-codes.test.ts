// Tests the codes that sign a browser in: each works once, and for a minute.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PageCodes } from '../../../agent/requester/operators/page-codes.ts';
import { FakeClock } from '../../support/fake-clock.ts';

test('a code is exchanged once', () => {
  const codes = new PageCodes(new FakeClock());
  const code = codes.make('token-1');
  assert.match(code, /^[A-Za-z0-9_-]{22}$/);
  assert.equal(codes.take(codes.make('token-2')), 'token-2');
  assert.equal(codes.take(code), 'token-1');
  assert.equal(codes.take(code), undefined);
  assert.equal(codes.take('A'.repeat(22)), undefined);
});

test('a code is void after a minute', async () => {
  const clock = new FakeClock();
  const codes = new PageCodes(clock);
  const [early, late] = [codes.make('token'), codes.make('token')];
  await clock.advance(59_999);
  assert.equal(codes.take(early), 'token');
  await clock.advance(1);
  assert.equal(codes.take(late), undefined);
});

test('many codes push out the oldest', () => {
  const codes = new PageCodes(new FakeClock());
  const made = Array.from({ length: 65 }, (_, at) => codes.make(`token-${at}`));
  assert.deepEqual(made.map(code => codes.take(code)).filter(token => token === undefined).length, 1);
  assert.equal(codes.take(made[0] ?? ''), undefined);
});
