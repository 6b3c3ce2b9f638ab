// Tests when a node registers, when its sentinel is enough, and what each answer of a requester changes.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Sentinel } from '../../../agent/compute/registration/sentinel.ts';
import type { Answer } from '../../../agent/protocol/answers.ts';
import { encodePublicKey, fingerprint } from '../../../agent/protocol/nkey.ts';
import type { Refusal } from '../../../agent/protocol/refusal.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { BrokerError } from '../../../agent/transport/port.ts';
import { steadyRandom } from '../../support/steady-random.ts';
import {
  answers,
  bacalhau,
  inTurn,
  key,
  node,
  RegistrationBench,
  type Reply,
  sentinel,
} from './registration-bench.ts';

const hour = 3_600_000;
const { accepted, rejected, deleted, unknown, full } = answers;
const started = async (
  reply: RegistrationBench['reply'],
  options: ConstructorParameters<typeof RegistrationBench>[1] = {},
) => {
  const bench = new RegistrationBench(reply, options);
  await bench.start();
  return bench;
};
/** An answer that refuses a request in words that no rule knows. */
const refused = (reason: string): Answer => ({ accepted: false, reason });
/** Voids the registration by this answer, and returns the time until the node registers again, in milliseconds. */
async function untilAsked(bench: RegistrationBench, answer: Answer): Promise<number> {
  const asked = bench.asked.length;
  const at = bench.clock.monotonic();
  await bench.answerReport(answer);
  while (bench.asked.length === asked)
    await bench.advance(bench.clock.next ?? assert.fail('nothing is planned'));
  return bench.clock.monotonic() - at;
}
const gaps = (bench: RegistrationBench) =>
  bench.asked.slice(1).map(({ at }, index) => at - (bench.asked[index]?.at ?? 0));

describe('without a sentinel', () => {
  test('the node registers at once; an acceptance is saved and logged', async () => {
    const bench = await started(inTurn(accepted('PENDING', 's-1')));
    assert.deepEqual(bench.requests, ['register@0']);
    assert.deepEqual(bench.state, {
      phase: 'pending',
      session: 's-1',
      cluster: 'c-1',
      requester: 'node-0',
      reason: '',
      operatorReason: '',
      refused: '',
      forgotten: 0,
      refusal: undefined,
      isAskingWhy: false,
    });
    assert.deepEqual(bench.file, {
      version: 1,
      node,
      key,
      cluster: 'c-1',
      requester: 'node-0',
      session: 's-1',
      membership: 'PENDING',
      registeredAt: '2026-01-01T00:00:00.000Z',
    } satisfies Sentinel);
    const fields = { node, requester: 'node-0', cluster: 'c-1', fingerprint: fingerprint(key) };
    assert.deepEqual(bench.lines, [{ level: 'info', message: 'pending approval', fields }]);
    await bench.advance(hour);
    assert.equal(bench.asked.length, 1, 'from then on the reports ask, not the registration');
  });

  test('a requester that needs no approval approves the node at once', async () => {
    const bench = await started(inTurn(accepted('APPROVED', 's-1')));
    assert.equal(bench.phase, 'approved');
    assert.equal(bench.file?.approvedAt, '2026-01-01T00:00:00.000Z');
    assert.deepEqual(bench.messages('info'), ['approved']);
  });

  test('the answer of a Bacalhau requester contains neither the membership nor a session', async () => {
    const bench = await started(inTurn(bacalhau.accepted()));
    assert.deepEqual(bench.state, {
      phase: 'registered',
      session: '',
      cluster: '',
      requester: '',
      reason: '',
      operatorReason: '',
      refused: '',
      forgotten: 0,
      refusal: undefined,
      isAskingWhy: false,
    });
    assert.deepEqual(
      [bench.file?.membership, bench.file?.session, bench.file?.approvedAt],
      ['', '', undefined],
    );
  });

  test('the node waits for the broker, however long it takes', async () => {
    const bench = new RegistrationBench(inTurn(accepted('PENDING')));
    bench.disconnect();
    await bench.start();
    await bench.advance(hour);
    assert.deepEqual(bench.requests, []);
    bench.connect();
    await bench.advance(0);
    assert.deepEqual(bench.requests, [`register@${hour}`]);
  });

  test('a bad sentinel is logged, and the node registers', async () => {
    for (const reading of [
      { kind: 'bad', reason: 'torn' } as const,
      new MusterError('not_writable', 'cannot write it'),
    ]) {
      const bench = new RegistrationBench(inTurn(accepted('PENDING', 's-1')));
      bench.reading = reading;
      await bench.start();
      assert.deepEqual(bench.requests, ['register@0']);
      assert.match(bench.messages('warn').join(), /sentinel .*set aside.*; this node registers again$/);
      assert.equal(bench.file?.session, 's-1');
    }
  });
});

describe('with a sentinel', () => {
  test('the node sends its information under the saved session, and does not register', async () => {
    const bench = await started(inTurn(accepted('PENDING')), { file: sentinel });
    assert.deepEqual(bench.asked, [{ kind: 'update', at: 0, session: 's-saved' }]);
    assert.deepEqual([bench.phase, bench.state.session], ['pending', 's-saved']);
    assert.deepEqual(bench.messages('info'), ['pending approval']);
    await bench.advance(hour);
    assert.deepEqual([bench.asked.length, bench.writes], [1, 0]);
  });

  test('nothing is reported before the answer, unless no answer comes', async () => {
    const bench = new RegistrationBench(inTurn('silence', accepted('APPROVED')), {
      file: { ...sentinel, membership: 'APPROVED' },
    });
    bench.disconnect();
    await bench.start();
    await bench.advance(hour);
    assert.equal(bench.phase, 'registering');
    bench.connect();
    await bench.advance(4_999);
    assert.equal(bench.phase, 'registering');
    await bench.advance(1);
    assert.equal(bench.phase, 'approved', 'no requester says otherwise');
    assert.equal(bench.state.session, 's-saved');
    await bench.advance(1_000);
    assert.deepEqual(bench.requests, [`update@${hour}`, `update@${hour + 5_000 + 188}`]);
  });

  test('an approval while the node was away is written into the sentinel', async () => {
    const bench = await started(inTurn(accepted('APPROVED')), { file: sentinel });
    assert.equal(bench.phase, 'approved');
    const { membership, approvedAt, session, registeredAt } = bench.file ?? {};
    assert.deepEqual([membership, approvedAt], ['APPROVED', '2026-01-01T00:00:00.000Z']);
    assert.deepEqual([session, registeredAt], ['s-saved', sentinel.registeredAt]);
  });

  const voids: [string, Reply][] = [
    ['does not know the node', unknown()],
    ['is Bacalhau and does not know the node', bacalhau.unknown()],
    ['belongs to another cluster', accepted('PENDING', 's-x', 'c-2')],
    ['deleted the node while it was away', deleted()],
  ];
  for (const [name, first] of voids) {
    test(`a requester that ${name} voids the sentinel, and the node registers at once`, async () => {
      const bench = await started(inTurn(first, accepted('PENDING', 's-2', 'c-2')), { file: sentinel });
      assert.deepEqual(bench.requests, ['update@0', 'register@0']);
      assert.deepEqual(bench.asked[1]?.session, '', 'the old session is not used any more');
      assert.deepEqual([bench.phase, bench.file?.session, bench.file?.cluster], ['pending', 's-2', 'c-2']);
      assert.deepEqual(bench.phases, ['registering', 'pending']);
    });
  }

  test('a node that was rejected while it was away removes the sentinel, and asks again and again', async () => {
    const bench = await started(inTurn(rejected(), rejected()), { file: sentinel });
    assert.deepEqual([bench.phase, bench.state.session, bench.file], ['rejected', 's-saved', undefined]);
    await bench.advance(1_000);
    assert.deepEqual(bench.requests, ['update@0', 'update@750']);
    assert.equal(bench.state.session, 's-saved', 'its heartbeats go on under this session');
  });

  test('a node that is refused for now reports as the sentinel says, and asks again', async () => {
    const bench = await started(inTurn(full(), full(), accepted('PENDING')), { file: sentinel });
    assert.deepEqual([bench.phase, bench.file], ['pending', sentinel]);
    await bench.advance(1_000);
    assert.deepEqual(bench.requests, ['update@0', 'update@188', 'update@563']);
    assert.deepEqual(bench.messages('warn'), ['the requester refused; asking again']);
  });

  test('a start counts as a registration by hand, even if the first answers are refusals', async () => {
    const bench = await started(inTurn(full(), 'silence', deleted(), accepted('PENDING', 's-2')), {
      file: sentinel,
    });
    await bench.advance(10_000);
    assert.deepEqual([bench.phase, bench.asked.at(-1)?.kind], ['pending', 'register']);
    await bench.answerReport(deleted());
    assert.equal(bench.phase, 'deleted', 'but only once');
  });

  test('a Bacalhau requester that takes over the cluster does not change the sentinel', async () => {
    const bench = await started(inTurn(bacalhau.accepted()), { file: sentinel });
    assert.deepEqual(bench.state, {
      ...bench.state,
      phase: 'registered',
      session: 's-saved',
      cluster: 'c-1',
    });
    assert.deepEqual(bench.file, sentinel);
    await bench.answerReport(accepted('APPROVED', undefined, 'c-2'));
    assert.equal(bench.asked.at(-1)?.kind, 'register', 'another cluster still voids it');
  });
});

describe('a decision reaches a node by the answers to its reports', () => {
  test('an approval is written and logged once, with its time', async () => {
    const bench = await started(inTurn(accepted('PENDING', 's-1')));
    await bench.advance(60_000);
    await bench.answerReport(accepted('APPROVED'));
    assert.deepEqual([bench.phase, bench.file?.membership], ['approved', 'APPROVED']);
    assert.equal(bench.file?.approvedAt, '2026-01-01T00:01:00.000Z');
    await bench.advance(60_000);
    await bench.answerReport(accepted('APPROVED'));
    assert.equal(bench.file?.approvedAt, '2026-01-01T00:01:00.000Z');
    assert.deepEqual(bench.messages('info'), ['pending approval', 'approved']);
    assert.deepEqual([bench.writes, bench.asked.length], [2, 1]);
  });

  test('a rejected node asks again, later each time up to two minutes, until it is approved', async () => {
    let verdict: Reply = rejected('s-1');
    const bench = await started((_, count) => (count > 1 ? verdict : accepted('PENDING', 's-1')));
    await bench.answerReport(rejected());
    assert.deepEqual(
      [bench.phase, bench.file, bench.state.reason],
      ['rejected', undefined, 'node has been rejected'],
    );
    await bench.advance(hour);
    const waits = gaps(bench).slice(0, 10).map(Math.round);
    assert.deepEqual(waits, [750, 1_500, 3_000, 6_000, 12_000, 24_000, 48_000, 90_000, 90_000, 90_000]);
    assert.deepEqual(bench.messages('warn'), [
      'this node was rejected by an operator; it keeps asking, in case that changes',
    ]);
    verdict = accepted('APPROVED');
    await bench.advance(120_000);
    assert.deepEqual([bench.phase, bench.state.session, bench.file?.session], ['approved', 's-1', 's-1']);
    const asked = bench.asked.length;
    await bench.advance(hour);
    assert.equal(bench.asked.length, asked);
  });

  test('a rejected node that is deleted becomes quiet, as it never registers by itself', async () => {
    const bench = await started(inTurn(accepted('PENDING', 's-1'), rejected(), rejected(), deleted()));
    await bench.answerReport(rejected());
    await bench.advance(hour);
    assert.equal(bench.phase, 'deleted');
    assert.deepEqual(bench.requests, ['register@0', 'update@750', 'update@2250', 'update@5250']);
    bench.registration.register();
    await bench.clock.settle();
    assert.match(bench.requests.at(-1) ?? '', /^register@/);
  });

  test('a rejected node registers at once when the requester lost its store', async () => {
    const bench = await started(inTurn(rejected('s-1'), unknown(), accepted('PENDING', 's-2')));
    await bench.advance(1_000);
    assert.deepEqual(bench.requests, ['register@0', 'update@750', 'register@750']);
    assert.deepEqual([bench.phase, bench.state.session], ['pending', 's-2']);
  });

  test('a rejected node stays rejected and goes on asking while the store does not answer', async () => {
    const bench = await started(inTurn(rejected('s-1'), full()));
    await bench.advance(60_000);
    assert.equal(bench.phase, 'rejected');
    assert.ok(bench.asked.length > 5);
  });

  test('a deleted node removes its sentinel and is quiet until somebody registers it by hand', async () => {
    const bench = await started(inTurn(accepted('APPROVED', 's-1'), accepted('PENDING', 's-2')));
    await bench.answerReport(deleted());
    assert.deepEqual([bench.phase, bench.file, bench.state.session], ['deleted', undefined, '']);
    assert.match(bench.messages('warn').join(), /quiet until: muster agent register, SIGHUP, or a restart$/);
    bench.registration.confirm();
    await bench.answerReport(accepted('APPROVED'), '');
    await bench.advance(24 * hour);
    assert.deepEqual([bench.phase, bench.asked.length], ['deleted', 1]);
    bench.registration.register();
    await bench.clock.settle();
    assert.deepEqual([bench.phase, bench.asked.length, bench.file?.session], ['pending', 2, 's-2']);
  });

  test('a deleted node that an operator brings back asks again, and registers, because its session is gone', async () => {
    const bench = await started(inTurn(accepted('APPROVED', 's-1'), unknown(), accepted('APPROVED', 's-2')));
    await bench.answerReport(deleted());
    assert.equal(bench.phase, 'deleted');
    await bench.registration.onConnectedAgain();
    await bench.clock.advance(60_000);
    assert.deepEqual([bench.phase, bench.state.session], ['approved', 's-2']);
  });

  test('a deleted node that is brought back connects again when its link still permits nothing', async () => {
    const bench = await started(inTurn(accepted('APPROVED', 's-1')));
    await bench.answerReport(deleted());
    await bench.registration.onNotPermitted();
    await bench.clock.settle();
    assert.deepEqual([bench.reconnects.length, bench.asked.length], [1, 1]);
  });

  test('a deleted node waits once on the link on which it is refused, and then looks every ten minutes', async () => {
    const bench = await started(inTurn(accepted('APPROVED', 's-1')));
    await bench.answerReport(deleted());
    bench.refusal = { code: 'deleted', reason: 'node node-1 was deleted', hint: '', fingerprint: '' };
    for (let times = 0; times < 3; times++) await bench.registration.onConnectedAgain();
    assert.deepEqual([bench.standBys, bench.reconnects], [[600_000], [600_000, 600_000]]);
    assert.equal(bench.phase, 'deleted');
  });

  test('a node that was registered by hand waits on its link again when it is deleted again', async () => {
    const bench = await started(inTurn(accepted('APPROVED', 's-1'), accepted('APPROVED', 's-2')));
    const refusal = {
      code: 'deleted',
      reason: 'node node-1 was deleted',
      hint: '',
      fingerprint: '',
    } as const;
    await bench.answerReport(deleted());
    bench.refusal = refusal;
    await bench.registration.onConnectedAgain();
    bench.refusal = undefined;
    bench.registration.register();
    await bench.clock.settle();
    assert.equal(bench.phase, 'approved');
    await bench.answerReport(deleted());
    bench.refusal = refusal;
    await bench.registration.onConnectedAgain();
    assert.deepEqual([bench.standBys, bench.reconnects], [[600_000, 600_000], [0]]);
  });

  test('a deleted node that nobody tells why it is refused stays quiet', async () => {
    const bench = await started(inTurn(accepted('APPROVED', 's-1'), accepted('APPROVED', 's-2')));
    await bench.answerReport(deleted());
    bench.refusal = new BrokerError('no_responders', 'nobody answers');
    await bench.registration.onConnectedAgain();
    await bench.clock.advance(60_000);
    assert.equal(bench.phase, 'deleted');
  });

  test('with rejoinAfterDelete a deleted node registers at once, and later each time that it is deleted again', async () => {
    let session = 0;
    const bench = new RegistrationBench(() => accepted('PENDING', `s-${++session}`));
    bench.settings.rejoinAfterDelete = true;
    await bench.start();
    const waits: number[] = [];
    for (let n = 0; n < 4; n++) {
      await bench.advance(10_000);
      waits.push(await untilAsked(bench, deleted()));
      assert.equal(bench.phase, 'pending');
    }
    assert.deepEqual(waits, [0, 1_500, 3_000, 6_000]);
  });

  test('when the store was lost the node registers once, however many reports are answered so', async () => {
    const bench = await started(inTurn(accepted('APPROVED', 's-1'), accepted('APPROVED', 's-2')));
    await bench.advance(hour);
    const { session } = bench.state;
    for (let n = 0; n < 3; n++) bench.registration.applyAnswer(unknown(), session, 'resources');
    await bench.clock.settle();
    assert.deepEqual(bench.requests, ['register@0', `register@${hour}`]);
    assert.deepEqual([bench.phase, bench.file?.session], ['approved', 's-2']);
  });

  test('a refused report changes no phase, and is logged once a minute', async () => {
    const bench = await started(inTurn(accepted('PENDING', 's-1')));
    for (let n = 0; n < 5; n++) await bench.answerReport(full());
    assert.deepEqual([bench.phase, bench.asked.length], ['pending', 1]);
    assert.equal(bench.messages('warn').length, 1);
  });

  test('a refusal of the information stands until information is accepted, whatever is answered to resources', async () => {
    const bench = await started(inTurn(accepted('PENDING', 's-1')));
    const shown = () => [bench.state.refused, bench.state.reason];
    const { session } = bench.state;
    await bench.answerReport(refused('first'), session, 'resources');
    assert.deepEqual(shown(), ['resources', 'first']);
    await bench.answerReport(refused('second'), session, 'information');
    assert.deepEqual(shown(), ['information', 'second']);
    await bench.answerReport(refused('third'), session, 'resources');
    await bench.answerReport(accepted('PENDING'), session, 'resources');
    assert.deepEqual(shown(), ['information', 'second']);
    await bench.answerReport(accepted('PENDING'), session, 'information');
    assert.deepEqual(shown(), ['', '']);
  });
});

test('a node that was refused says when it takes part again', async () => {
  const bench = await started(inTurn(accepted('APPROVED', 's-1')));
  bench.refusal = {
    code: 'clone',
    reason: 'another agent uses the key',
    fingerprint: 'ABCD',
    hint: 'stop one',
  };
  await bench.registration.onNotPermitted();
  await bench.answerReport(accepted('APPROVED'));
  await bench.answerReport(accepted('APPROVED'));
  assert.deepEqual(bench.messages('info'), ['approved', 'approved']);
});

describe('how fast a node asks again', () => {
  test('it registers again at once after the first void, then after a second, doubling to two minutes', async () => {
    const bounds: [number, number[]][] = [
      [0, [0, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]],
      [1, [0, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 120_000, 120_000]],
    ];
    for (const [fraction, expected] of bounds) {
      const bench = new RegistrationBench(() => accepted('PENDING', 's-1'), {
        random: steadyRandom(fraction),
      });
      await bench.start();
      const waits: number[] = [];
      for (let n = 0; n < 9; n++) waits.push(await untilAsked(bench, unknown()));
      assert.deepEqual(waits, expected);
    }
  });

  test('a registration that lasted two minutes is stable: its void counts as the first again', async () => {
    const bench = new RegistrationBench(() => accepted('PENDING', 's-1'));
    await bench.start();
    for (let n = 0; n < 6; n++) {
      const at = bench.clock.monotonic();
      await bench.answerReport(unknown());
      assert.equal(bench.asked.at(-1)?.at, at);
      await bench.advance(120_000);
    }
  });

  test('it is slowed down by a requester that answers a registration by asking for one', async () => {
    for (const answer of [unknown(), bacalhau.unknown()]) {
      const bench = await started(() => answer);
      await bench.advance(hour);
      assert.ok(bench.asked.length < 60, `${bench.asked.length} in an hour`);
      assert.ok(gaps(bench).filter(gap => gap < 1_000).length <= 1, String(gaps(bench)));
    }
  });

  test('it is slowed down by a requester that answers every registration with a deletion, with rejoinAfterDelete', async () => {
    const bench = new RegistrationBench(() => deleted());
    bench.settings.rejoinAfterDelete = true;
    await bench.start();
    await bench.advance(hour);
    assert.ok(bench.asked.length < 60, `${bench.asked.length} in an hour`);
  });

  test('without an answer it asks after a quarter of a second, doubling to ten, and logs that once a minute', async () => {
    for (const fault of ['no_responders', 'disconnected', 'refused'] as const) {
      const bench = await started(() => new BrokerError(fault, fault));
      await bench.advance(120_000);
      const waits = gaps(bench).map(Math.round);
      assert.deepEqual(waits.slice(0, 8), [188, 375, 750, 1_500, 3_000, 6_000, 7_500, 7_500]);
      assert.equal(bench.phase, 'registering');
      assert.deepEqual(bench.messages('warn'), Array(2).fill('no answer to our registration; asking again'));
    }
  });

  test('the wait begins when a request has timed out, so that one request is sent at a time', async () => {
    const bench = await started(() => 'silence');
    await bench.advance(20_000);
    assert.deepEqual(bench.requests.slice(0, 3), ['register@0', 'register@5188', 'register@10563']);
    assert.equal(bench.mostInFlight, 1);
  });

  test('an acceptance ends the row of failures, so that the next wait is short', async () => {
    const bench = new RegistrationBench(
      inTurn(full(), full(), full(), full(), accepted('PENDING', 's-1'), full()),
    );
    await bench.start();
    await bench.advance(10_000);
    assert.equal(bench.phase, 'pending');
    bench.registration.confirm();
    await bench.advance(188);
    assert.deepEqual(gaps(bench).slice(-1).map(Math.round), [188]);
  });
});

describe('a confirmation', () => {
  test('asks now, and changes nothing before the answer', async () => {
    const bench = await started(inTurn(accepted('PENDING', 's-1'), accepted('APPROVED')));
    await bench.advance(10_000);
    bench.registration.confirm();
    assert.equal(bench.phase, 'pending');
    await bench.clock.settle();
    assert.deepEqual(bench.requests, ['register@0', 'update@10000']);
    assert.equal(bench.phase, 'approved');
  });

  test('that is wanted while a request is on its way asks once more, as the answer may be too old', async () => {
    const bench = await started(inTurn(accepted('PENDING', 's-1'), 'silence', accepted('APPROVED')));
    bench.registration.confirm();
    await bench.clock.settle();
    for (let n = 0; n < 5; n++) bench.registration.confirm();
    await bench.advance(5_000);
    assert.deepEqual(bench.requests, ['register@0', 'update@0', 'update@5000']);
    await bench.advance(hour);
    assert.equal(bench.asked.length, 3);
    assert.equal(bench.phase, 'approved');
  });

  test('of a rejected node asks now', async () => {
    const bench = await started(inTurn(rejected('s-1'), rejected(), accepted('APPROVED')));
    await bench.advance(1_000);
    bench.registration.confirm();
    await bench.clock.settle();
    assert.deepEqual(bench.requests, ['register@0', 'update@750', 'update@1000']);
    assert.equal(bench.phase, 'approved');
  });

  test('of a node that is not accepted, or deleted, does nothing', async () => {
    const bench = await started(inTurn(full(), unknown(), unknown(), deleted()));
    for (let n = 0; n < 100; n++) {
      bench.registration.confirm();
      await bench.advance(100);
    }
    assert.deepEqual(bench.requests, ['register@0', 'register@188', 'register@188', 'register@1688']);
    assert.equal(bench.phase, 'deleted');
  });
});

describe('answers that do not count', () => {
  test('the answer to a report of an earlier session says nothing about this one', async () => {
    const bench = await started(inTurn(accepted('APPROVED', 's-1'), accepted('APPROVED', 's-2')));
    await bench.answerReport(unknown());
    const before = bench.state;
    for (const answer of [unknown(), deleted(), rejected(), accepted('PENDING')])
      await bench.answerReport(answer, 's-1');
    assert.deepEqual([bench.state, bench.asked.length], [before, 2]);
  });

  test('while a node registers or is rejected, only the answer to its own request counts', async () => {
    const bench = await started(inTurn('silence', rejected('s-1')));
    await bench.answerReport(accepted('APPROVED'));
    assert.equal(bench.phase, 'registering');
    await bench.advance(6_000);
    assert.equal(bench.phase, 'rejected');
    await bench.answerReport(accepted('APPROVED'));
    assert.equal(bench.phase, 'rejected');
  });

  test('a registration by hand makes the answer to a request that is on its way too old', async () => {
    const bench = new RegistrationBench(inTurn('silence', accepted('PENDING', 's-2')), { file: sentinel });
    await bench.start();
    bench.registration.register();
    await bench.advance(5_000);
    assert.deepEqual(bench.requests, ['update@0', 'register@5000']);
    assert.deepEqual([bench.phase, bench.file?.session], ['pending', 's-2']);
  });

  test('a registration by hand may come before the sentinel was read', async () => {
    const bench = new RegistrationBench(inTurn(accepted('PENDING', 's-2')), { file: sentinel });
    const running = bench.start();
    bench.registration.register();
    await running;
    assert.deepEqual([bench.requests, bench.asked[0]?.session], [['register@0'], '']);
    assert.equal(bench.file?.session, 's-2');
  });

  test('a report whose answer voids the registration makes the answer to a request that is on its way too old', async () => {
    const bench = await started(inTurn(accepted('PENDING', 's-1'), 'silence', accepted('PENDING', 's-2')));
    bench.registration.confirm();
    await bench.clock.settle();
    await bench.answerReport(unknown());
    await bench.advance(5_000);
    assert.deepEqual(bench.requests, ['register@0', 'update@0', 'register@5000']);
    assert.equal(bench.state.session, 's-2');
  });
});

describe('while the file of the sentinel fails', () => {
  const fault = new MusterError('not_writable', 'cannot write it: no space left on the device');

  test('a sentinel that cannot be written does not stop the node, and is written later', async () => {
    const bench = new RegistrationBench(inTurn(accepted('PENDING', 's-1')));
    bench.fileFault = fault;
    await bench.start();
    assert.equal(bench.phase, 'pending');
    for (let n = 0; n < 10; n++) {
      await bench.advance(3_000);
      await bench.answerReport(accepted('APPROVED'));
    }
    assert.equal(bench.phase, 'approved');
    assert.deepEqual(bench.messages('warn'), [
      'the sentinel could not be written; it is tried again with the next answer',
    ]);
    assert.deepEqual([bench.file, bench.writes], [undefined, 0]);
    bench.fileFault = undefined;
    await bench.answerReport(accepted('APPROVED'));
    assert.deepEqual([bench.file?.session, bench.file?.approvedAt], ['s-1', '2026-01-01T00:00:03.000Z']);
    assert.equal(bench.writes, 1);
  });

  test('a sentinel that cannot be removed is logged, and replaced when that works again', async () => {
    const bench = new RegistrationBench(inTurn(unknown(), accepted('PENDING', 's-2')), { file: sentinel });
    bench.fileFault = fault;
    await bench.start();
    assert.deepEqual([bench.phase, bench.file], ['pending', sentinel]);
    bench.fileFault = undefined;
    await bench.answerReport(accepted('PENDING'));
    assert.equal(bench.file?.session, 's-2');
  });

  test('a disk that hangs holds up nothing, and gets the newest state in the end', async () => {
    const gate = Promise.withResolvers<void>();
    const bench = new RegistrationBench(inTurn(accepted('PENDING', 's-1'), accepted('PENDING', 's-2')));
    bench.fileGate = gate.promise;
    await bench.start();
    await bench.answerReport(accepted('APPROVED'));
    await bench.answerReport(unknown());
    await bench.answerReport(accepted('APPROVED'));
    assert.deepEqual([bench.phase, bench.state.session, bench.asked.length], ['approved', 's-2', 2]);
    gate.resolve();
    await bench.clock.settle();
    assert.deepEqual([bench.file?.session, bench.file?.membership], ['s-2', 'APPROVED']);
    assert.ok(bench.writes <= 2);
  });
});

describe('a stop', () => {
  test('ends at once in every state, and leaves no timer', async () => {
    const stands: [string, RegistrationBench['reply'], number][] = [
      ['waiting for an answer', () => 'silence', 100],
      ['waiting to ask again', () => full(), 100],
      ['with nothing to do', () => accepted('PENDING', 's-1'), 100],
    ];
    for (const [name, reply, wait] of stands) {
      const bench = await started(reply);
      await bench.advance(wait);
      await bench.stop();
      assert.ok(bench.clock.pending <= bench.inFlight, name);
      const asked = bench.asked.length;
      await bench.advance(hour);
      assert.equal(bench.asked.length, asked, name);
      assert.deepEqual(
        bench.messages('warn').filter(each => each.startsWith('no answer')),
        [],
        name,
      );
    }
  });

  test('ends while the broker is away', async () => {
    const bench = new RegistrationBench(() => full());
    bench.disconnect();
    await bench.start();
    await bench.stop();
    assert.deepEqual(bench.requests, []);
  });

  test('waits for a write that is under way; later answers change nothing', async () => {
    const gate = Promise.withResolvers<void>();
    const bench = new RegistrationBench(inTurn(accepted('PENDING', 's-1')));
    bench.fileGate = gate.promise;
    await bench.start();
    const stopped = bench.stop();
    await bench.answerReport(deleted());
    assert.equal(bench.phase, 'pending');
    gate.resolve();
    await stopped;
    assert.equal(bench.file?.session, 's-1');
  });
});

describe('a node that is told another id', () => {
  const told = (more: Partial<Refusal> = {}): Refusal => ({
    code: 'renamed',
    reason: 'an operator renamed node node-1 to gpu-7',
    hint: 'h',
    fingerprint: fingerprint(key),
    record: { id: 'gpu-7', fingerprint: fingerprint(key) },
    ...more,
  });

  async function tell(refusal: Refusal, takesIds = true): Promise<RegistrationBench> {
    const bench = await started(() => accepted('APPROVED', 's-1'));
    bench.takesIds = takesIds;
    bench.refusal = refusal;
    await bench.registration.onNotPermitted();
    return bench;
  }

  test('takes it, and shows no refusal', async () => {
    const bench = await tell(told());
    assert.deepEqual([bench.newIds, bench.state.refusal], [['gpu-7'], undefined]);
    assert.deepEqual([bench.reconnects, bench.standBys], [[], []], 'another agent connects under the new id');
  });

  test('waits, and shows why, when it cannot take it', async () => {
    const bench = await tell(told(), false);
    assert.deepEqual([bench.newIds, bench.state.refusal?.code], [['gpu-7'], 'renamed']);
    assert.equal(bench.standBys.length, 1);
  });

  test('waits, and shows what to do, when it cannot keep it', async () => {
    const bench = await started(() => accepted('APPROVED', 's-1'));
    bench.idFault = new MusterError('not_writable', 'cannot write node.yaml', { hint: 'make room' });
    bench.refusal = told();
    await bench.registration.onNotPermitted();
    const { reason, hint } = bench.state.refusal ?? assert.fail();
    assert.match(
      reason,
      /renamed node node-1 to gpu-7, and this node cannot keep .*: cannot write node\.yaml$/,
    );
    assert.equal(hint, 'make room');
    assert.equal(bench.standBys.length, 1);
    bench.idFault = undefined;
    await bench.registration.onConnectedAgain();
    assert.deepEqual([bench.newIds, bench.standBys.length], [['gpu-7', 'gpu-7'], 1]);
  });

  test('does not come back under it by itself when it was deleted meanwhile', async () => {
    for (const isStart of [false, true]) {
      const bench = new RegistrationBench(() => new BrokerError('not_permitted', 'no'), { isStart });
      bench.refusal = { code: 'deleted', reason: 'node gpu-7 was deleted', hint: '', fingerprint: '' };
      await bench.start();
      await bench.registration.onNotPermitted();
      const mayReturn = [bench.registration.mayComeBack, bench.phase, bench.reconnects.length];
      assert.deepEqual(mayReturn, isStart ? [true, 'registering', 1] : [false, 'deleted', 0]);
      await bench.stop();
    }
  });

  test('takes none that is not meant for its key, or is no id', async () => {
    const other = fingerprint(encodePublicKey(Buffer.alloc(32, 9)));
    for (const refusal of [
      told({ fingerprint: other, record: { id: 'gpu-7', fingerprint: other } }),
      told({ record: { id: 'gpu-7', fingerprint: other } }),
      told({ record: { id: '../gpu-7', fingerprint: fingerprint(key) } }),
      told({ record: undefined }),
      told({ code: 'conflict' }),
    ]) {
      const bench = await tell(refusal);
      assert.deepEqual(bench.newIds, [], JSON.stringify(refusal));
      assert.equal(bench.state.refusal?.reason, refusal.reason);
    }
  });
});
