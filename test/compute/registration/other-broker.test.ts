// Tests when a node leaves its broker for another one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OtherBroker } from '../../../agent/compute/registration/other-broker.ts';
import { type Answer, answerSchema, encodeErrorResponse, noQuorum } from '../../../agent/protocol/answers.ts';
import { parseJson } from '../../../agent/protocol/json.ts';
import { validate } from '../../../agent/protocol/schema.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { BrokerError } from '../../../agent/transport/port.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { steadyRandom } from '../../support/steady-random.ts';

const requester = { Version: '1', ClusterID: 'c', RequesterID: 'r', Membership: '' as const };
const read = (text: string): Answer => validate(answerSchema, parseJson(new TextEncoder().encode(text)));
const without = read(
  encodeErrorResponse('no quorum', { ...requester, Code: 'unavailable', Cause: noQuorum }),
);
const unavailable = read(encodeErrorResponse('try again', { ...requester, Code: 'unavailable' }));
const silence = new BrokerError('timeout', 'no answer');

function nodeWith(others: number) {
  const clock = new FakeClock();
  const moves: number[] = [];
  const connection = {
    moveOn(afterMs: number) {
      if (others > 0) moves.push(afterMs);
      return others > 0;
    },
  };
  const options = { node: 'n', connection, clock, random: steadyRandom(), log: silentLog };
  return { other: new OtherBroker(options), moves, clock };
}

test('a requester without quorum is left at once, after a short random time', () => {
  const { other, moves } = nodeWith(1);
  other.onAnswer(unavailable);
  assert.equal(moves.length, 0);
  other.onAnswer(without);
  assert.equal(moves.length, 1);
  assert.ok((moves[0] ?? -1) >= 0 && (moves[0] ?? 0) <= 2_000);
});

test('moves that do not help become rare, and an answer begins anew', async () => {
  const { other, moves, clock } = nodeWith(2);
  for (let second = 0; second < 3_600; second++) {
    other.onAnswer(without);
    await clock.advance(1_000);
  }
  assert.ok(moves.length >= 12 && moves.length <= 30, `${moves.length} moves in an hour`);
  const before = moves.length;
  await clock.advance(300_000);
  other.onAnswer(unavailable);
  other.onAnswer(without);
  await clock.advance(30_000);
  other.onAnswer(without);
  assert.equal(moves.length, before + 2);
});

test('three requests without an answer, and fifteen seconds of silence, are a reason to move', () => {
  const { other, moves } = nodeWith(1);
  other.onNoAnswer(silence, 5_000);
  other.onNoAnswer(new BrokerError('no_responders', 'nobody'), 11_000);
  other.onNoAnswer(silence, 14_000);
  assert.equal(moves.length, 0, 'a requester that only restarts is not left');
  other.onNoAnswer(silence, 15_000);
  assert.equal(moves.length, 1);
});

test('an answer in between, and requests that were never sent, do not count', () => {
  const { other, moves } = nodeWith(1);
  other.onNoAnswer(silence, 60_000);
  other.onNoAnswer(silence, 60_000);
  other.onAnswer(unavailable);
  other.onNoAnswer(silence, 60_000);
  for (let count = 0; count < 9; count++) {
    other.onNoAnswer(new BrokerError('disconnected', 'gone'), 60_000);
    other.onNoAnswer(new BrokerError('not_permitted', 'no'), 60_000);
  }
  assert.equal(moves.length, 0);
});

test('a node that knows one broker stays there', () => {
  const { other, moves } = nodeWith(0);
  for (let count = 0; count < 9; count++) other.onAnswer(without);
  assert.equal(moves.length, 0);
});
