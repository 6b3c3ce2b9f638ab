// When a node registers, when its sentinel serves instead, and what each answer changes: every row of the rules.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Sentinel } from '../../../agent/compute/registration/sentinel.ts';
import type { Answer } from '../../../agent/protocol/answers.ts';
import { fingerprint } from '../../../agent/protocol/nkey.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { BrokerError } from '../../../agent/transport/port.ts';
import { steadyRandom } from '../../support/steady-random.ts';
import { answers, Bench, bacalhau, inTurn, key, node, type Reply, sentinel } from './registration-bench.ts';

const hour = 3_600_000;
const { accepted, rejected, deleted, unknown, full } = answers;
const started = async (reply: Bench['reply'], options: ConstructorParameters<typeof Bench>[1] = {}) => {
  const bench = new Bench(reply, options);
  await bench.start();
  return bench;
};
/** The registration of now is void by this answer: how long until it registers again. */
async function untilAsked(bench: Bench, answer: Answer): Promise<number> {
  const asked = bench.asked.length;
  const at = bench.clock.monotonic();
  await bench.hear(answer);
  while (bench.asked.length === asked) await bench.advance(bench.clock.next ?? assert.fail('nothing is due'));
  return bench.clock.monotonic() - at;
}
const gaps = (bench: Bench) =>
  bench.asked.slice(1).map(({ at }, index) => at - (bench.asked[index]?.at ?? 0));

describe('without a sentinel', () => {
  test('registers at once; an acceptance is kept, and told', async () => {
    const bench = await started(inTurn(accepted('PENDING', 's-1')));
    assert.deepEqual(bench.log, ['register@0']);
    assert.deepEqual(bench.standing, {
      phase: 'pending',
      session: 's-1',
      cluster: 'c-1',
      requester: 'node-0',
      reason: '',
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
    assert.equal(bench.asked.length, 1, 'the reports keep it current, not the registration');
  });

  test('approved at once where nobody has to approve', async () => {
    const bench = await started(inTurn(accepted('APPROVED', 's-1')));
    assert.equal(bench.phase, 'approved');
    assert.equal(bench.file?.approvedAt, '2026-01-01T00:00:00.000Z');
    assert.deepEqual(bench.said('info'), ['approved']);
  });

  test('a Bacalhau requester tells neither membership nor session', async () => {
    const bench = await started(inTurn(bacalhau.accepted()));
    assert.deepEqual(bench.standing, {
      phase: 'registered',
      session: '',
      cluster: '',
      requester: '',
      reason: '',
    });
    assert.deepEqual(
      [bench.file?.membership, bench.file?.session, bench.file?.approvedAt],
      ['', '', undefined],
    );
  });

  test('waits for the broker, however long', async () => {
    const bench = new Bench(inTurn(accepted('PENDING')));
    bench.disconnect();
    await bench.start();
    await bench.advance(hour);
    assert.deepEqual(bench.log, []);
    bench.connect();
    await bench.advance(0);
    assert.deepEqual(bench.log, [`register@${hour}`]);
  });

  test('a bad sentinel is told, and as good as none', async () => {
    for (const found of [
      { kind: 'bad', reason: 'torn' } as const,
      new MusterError('not_writable', 'cannot write it'),
    ]) {
      const bench = new Bench(inTurn(accepted('PENDING', 's-1')));
      bench.found = found;
      await bench.start();
      assert.deepEqual(bench.log, ['register@0']);
      assert.match(bench.said('warn').join(), /sentinel .*set aside.*; this node registers again$/);
      assert.equal(bench.file?.session, 's-1');
    }
  });
});

describe('with a sentinel', () => {
  test('asks by an information update under its session, and registers nothing', async () => {
    const bench = await started(inTurn(accepted('PENDING')), { file: sentinel });
    assert.deepEqual(bench.asked, [{ kind: 'update', at: 0, session: 's-kept' }]);
    assert.deepEqual([bench.phase, bench.standing.session], ['pending', 's-kept']);
    assert.deepEqual(bench.said('info'), ['pending approval']);
    await bench.advance(hour);
    assert.deepEqual([bench.asked.length, bench.writes], [1, 0]);
  });

  test('reports nothing before the answer, unless there is none', async () => {
    const bench = new Bench(inTurn('silence', accepted('APPROVED')), {
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
    assert.equal(bench.phase, 'approved', 'as nobody says otherwise');
    assert.equal(bench.standing.session, 's-kept');
    await bench.advance(1_000);
    assert.deepEqual(bench.log, [`update@${hour}`, `update@${hour + 5_000 + 188}`]);
  });

  test('an approval while it was away is noted in it', async () => {
    const bench = await started(inTurn(accepted('APPROVED')), { file: sentinel });
    assert.equal(bench.phase, 'approved');
    const { membership, approvedAt, session, registeredAt } = bench.file ?? {};
    assert.deepEqual([membership, approvedAt], ['APPROVED', '2026-01-01T00:00:00.000Z']);
    assert.deepEqual([session, registeredAt], ['s-kept', sentinel.registeredAt]);
  });

  const voids: [string, Reply][] = [
    ['does not know it', unknown()],
    ['does not know it, being Bacalhau', bacalhau.unknown()],
    ['belongs to another cluster', accepted('PENDING', 's-x', 'c-2')],
    ['deleted it while it was away', deleted()],
  ];
  for (const [name, first] of voids) {
    test(`the requester ${name}: void, registered at once`, async () => {
      const bench = await started(inTurn(first, accepted('PENDING', 's-2', 'c-2')), { file: sentinel });
      assert.deepEqual(bench.log, ['update@0', 'register@0']);
      assert.deepEqual(bench.asked[1]?.session, '', 'nothing of the old registration is left');
      assert.deepEqual([bench.phase, bench.file?.session, bench.file?.cluster], ['pending', 's-2', 'c-2']);
      assert.deepEqual(bench.phases, ['registering', 'pending']);
    });
  }

  test('the requester rejected it while it was away: void, and asked again and again', async () => {
    const bench = await started(inTurn(rejected(), rejected()), { file: sentinel });
    assert.deepEqual([bench.phase, bench.standing.session, bench.file], ['rejected', 's-kept', undefined]);
    await bench.advance(1_000);
    assert.deepEqual(bench.log, ['update@0', 'update@750']);
    assert.equal(bench.standing.session, 's-kept', 'its heartbeats show that it is alive');
  });

  test('refused for now: it reports as the sentinel says, and asks again', async () => {
    const bench = await started(inTurn(full(), full(), accepted('PENDING')), { file: sentinel });
    assert.deepEqual([bench.phase, bench.file], ['pending', sentinel]);
    await bench.advance(1_000);
    assert.deepEqual(bench.log, ['update@0', 'update@188', 'update@563']);
    assert.deepEqual(bench.said('warn'), ['the requester refused; asking again']);
  });

  test('a start counts as a registration by hand, even if the first answers were refusals', async () => {
    const bench = await started(inTurn(full(), 'silence', deleted(), accepted('PENDING', 's-2')), {
      file: sentinel,
    });
    await bench.advance(10_000);
    assert.deepEqual([bench.phase, bench.asked.at(-1)?.kind], ['pending', 'register']);
    await bench.hear(deleted());
    assert.equal(bench.phase, 'deleted', 'but only once');
  });

  test('a Bacalhau requester that takes over its cluster leaves it as it is', async () => {
    const bench = await started(inTurn(bacalhau.accepted()), { file: sentinel });
    assert.deepEqual(bench.standing, {
      ...bench.standing,
      phase: 'registered',
      session: 's-kept',
      cluster: 'c-1',
    });
    assert.deepEqual(bench.file, sentinel);
    await bench.hear(accepted('APPROVED', undefined, 'c-2'));
    assert.equal(bench.asked.at(-1)?.kind, 'register', 'another cluster is still another');
  });
});

describe('decisions reach a node by the answers to its reports', () => {
  test('approved: once, with the time', async () => {
    const bench = await started(inTurn(accepted('PENDING', 's-1')));
    await bench.advance(60_000);
    await bench.hear(accepted('APPROVED'));
    assert.deepEqual([bench.phase, bench.file?.membership], ['approved', 'APPROVED']);
    assert.equal(bench.file?.approvedAt, '2026-01-01T00:01:00.000Z');
    await bench.advance(60_000);
    await bench.hear(accepted('APPROVED'));
    assert.equal(bench.file?.approvedAt, '2026-01-01T00:01:00.000Z');
    assert.deepEqual(bench.said('info'), ['pending approval', 'approved']);
    assert.deepEqual([bench.writes, bench.asked.length], [2, 1]);
  });

  test('rejected: it asks again, later each time up to two minutes, and heals by itself', async () => {
    let verdict: Reply = rejected('s-1');
    const bench = await started((_, count) => (count > 1 ? verdict : accepted('PENDING', 's-1')));
    await bench.hear(rejected());
    assert.deepEqual(
      [bench.phase, bench.file, bench.standing.reason],
      ['rejected', undefined, 'node has been rejected'],
    );
    await bench.advance(hour);
    const waits = gaps(bench).slice(0, 10).map(Math.round);
    assert.deepEqual(waits, [750, 1_500, 3_000, 6_000, 12_000, 24_000, 48_000, 90_000, 90_000, 90_000]);
    assert.deepEqual(bench.said('warn'), [
      'this node was rejected by an operator; it keeps asking, in case that changes',
    ]);
    verdict = accepted('APPROVED');
    await bench.advance(120_000);
    assert.deepEqual([bench.phase, bench.standing.session, bench.file?.session], ['approved', 's-1', 's-1']);
    const asked = bench.asked.length;
    await bench.advance(hour);
    assert.equal(bench.asked.length, asked);
  });

  test('rejected, then deleted: quiet, as it never registers by itself', async () => {
    const bench = await started(inTurn(accepted('PENDING', 's-1'), rejected(), rejected(), deleted()));
    await bench.hear(rejected());
    await bench.advance(hour);
    assert.equal(bench.phase, 'deleted');
    assert.deepEqual(bench.log, ['register@0', 'update@750', 'update@2250', 'update@5250']);
    bench.registration.register();
    await bench.clock.settle();
    assert.match(bench.log.at(-1) ?? '', /^register@/);
  });

  test('rejected, and the requester lost its store: it registers at once', async () => {
    const bench = await started(inTurn(rejected('s-1'), unknown(), accepted('PENDING', 's-2')));
    await bench.advance(1_000);
    assert.deepEqual(bench.log, ['register@0', 'update@750', 'register@750']);
    assert.deepEqual([bench.phase, bench.standing.session], ['pending', 's-2']);
  });

  test('rejected while the store does not answer: it stays rejected, and goes on asking', async () => {
    const bench = await started(inTurn(rejected('s-1'), full()));
    await bench.advance(60_000);
    assert.equal(bench.phase, 'rejected');
    assert.ok(bench.asked.length > 5);
  });

  test('deleted: void and quiet, until somebody registers it by hand', async () => {
    const bench = await started(inTurn(accepted('APPROVED', 's-1'), accepted('PENDING', 's-2')));
    await bench.hear(deleted());
    assert.deepEqual([bench.phase, bench.file, bench.standing.session], ['deleted', undefined, '']);
    assert.match(bench.said('warn').join(), /quiet until: muster agent register, SIGHUP, or a restart$/);
    bench.registration.nudge();
    await bench.hear(accepted('APPROVED'), '');
    await bench.advance(24 * hour);
    assert.deepEqual([bench.phase, bench.asked.length], ['deleted', 1]);
    bench.registration.register();
    await bench.clock.settle();
    assert.deepEqual([bench.phase, bench.asked.length, bench.file?.session], ['pending', 2, 's-2']);
  });

  test('deleted, with rejoinAfterDelete: at once, and later each time that it is deleted again', async () => {
    let session = 0;
    const bench = new Bench(() => accepted('PENDING', `s-${++session}`));
    bench.rejoin = true;
    await bench.start();
    const waits: number[] = [];
    for (let n = 0; n < 4; n++) {
      await bench.advance(10_000);
      waits.push(await untilAsked(bench, deleted()));
      assert.equal(bench.phase, 'pending');
    }
    assert.deepEqual(waits, [0, 1_500, 3_000, 6_000]);
  });

  test('the store was lost: registered at once, however many reports hear of it', async () => {
    const bench = await started(inTurn(accepted('APPROVED', 's-1'), accepted('APPROVED', 's-2')));
    await bench.advance(hour);
    const { session } = bench.standing;
    for (let n = 0; n < 3; n++) bench.registration.heard(unknown(), session);
    await bench.clock.settle();
    assert.deepEqual(bench.log, ['register@0', `register@${hour}`]);
    assert.deepEqual([bench.phase, bench.file?.session], ['approved', 's-2']);
  });

  test('a refusal of a report changes nothing, and is told once a minute', async () => {
    const bench = await started(inTurn(accepted('PENDING', 's-1')));
    for (let n = 0; n < 5; n++) await bench.hear(full());
    assert.deepEqual([bench.phase, bench.asked.length], ['pending', 1]);
    assert.equal(bench.said('warn').length, 1);
  });
});

describe('no faster than the rules allow', () => {
  test('one void after another: at once, then after a second, doubling to two minutes', async () => {
    const bounds: [number, number[]][] = [
      [0, [0, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]],
      [1, [0, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 120_000, 120_000]],
    ];
    for (const [fraction, expected] of bounds) {
      const bench = new Bench(() => accepted('PENDING', 's-1'), { random: steadyRandom(fraction) });
      await bench.start();
      const waits: number[] = [];
      for (let n = 0; n < 9; n++) waits.push(await untilAsked(bench, unknown()));
      assert.deepEqual(waits, expected);
    }
  });

  test('a registration that lasted two minutes starts over: its void counts as the first', async () => {
    const bench = new Bench(() => accepted('PENDING', 's-1'));
    await bench.start();
    for (let n = 0; n < 6; n++) {
      const at = bench.clock.monotonic();
      await bench.hear(unknown());
      assert.equal(bench.asked.at(-1)?.at, at);
      await bench.advance(120_000);
    }
  });

  test('a requester that answers a registration by asking for one', async () => {
    for (const answer of [unknown(), bacalhau.unknown()]) {
      const bench = await started(() => answer);
      await bench.advance(hour);
      assert.ok(bench.asked.length < 60, `${bench.asked.length} in an hour`);
      assert.ok(gaps(bench).filter(gap => gap < 1_000).length <= 1, String(gaps(bench)));
    }
  });

  test('a requester that answers every registration with a deletion, and rejoinAfterDelete', async () => {
    const bench = new Bench(() => deleted());
    bench.rejoin = true;
    await bench.start();
    await bench.advance(hour);
    assert.ok(bench.asked.length < 60, `${bench.asked.length} in an hour`);
  });

  test('without an answer: after a quarter of a second, doubling to ten, told once a minute', async () => {
    for (const fault of ['no_responders', 'disconnected', 'refused'] as const) {
      const bench = await started(() => new BrokerError(fault, fault));
      await bench.advance(120_000);
      const waits = gaps(bench).map(Math.round);
      assert.deepEqual(waits.slice(0, 8), [188, 375, 750, 1_500, 3_000, 6_000, 7_500, 7_500]);
      assert.equal(bench.phase, 'registering');
      assert.deepEqual(bench.said('warn'), Array(2).fill('no answer to our registration; asking again'));
    }
  });

  test('a timeout counts from its end, and one question is asked at a time', async () => {
    const bench = await started(() => 'silence');
    await bench.advance(20_000);
    assert.deepEqual(bench.log.slice(0, 3), ['register@0', 'register@5188', 'register@10563']);
    assert.equal(bench.atOnce, 1);
  });

  test('an acceptance ends the waiting: the next failure starts small', async () => {
    const bench = new Bench(inTurn(full(), full(), full(), full(), accepted('PENDING', 's-1'), full()));
    await bench.start();
    await bench.advance(10_000);
    assert.equal(bench.phase, 'pending');
    bench.registration.nudge();
    await bench.advance(188);
    assert.deepEqual(gaps(bench).slice(-1).map(Math.round), [188]);
  });
});

describe('a nudge', () => {
  test('asks now, and changes nothing by itself', async () => {
    const bench = await started(inTurn(accepted('PENDING', 's-1'), accepted('APPROVED')));
    await bench.advance(10_000);
    bench.registration.nudge();
    assert.equal(bench.phase, 'pending');
    await bench.clock.settle();
    assert.deepEqual(bench.log, ['register@0', 'update@10000']);
    assert.equal(bench.phase, 'approved');
  });

  test('while a question is on its way: asks once more, as that may have been answered too early', async () => {
    const bench = await started(inTurn(accepted('PENDING', 's-1'), 'silence', accepted('APPROVED')));
    bench.registration.nudge();
    await bench.clock.settle();
    for (let n = 0; n < 5; n++) bench.registration.nudge();
    await bench.advance(5_000);
    assert.deepEqual(bench.log, ['register@0', 'update@0', 'update@5000']);
    await bench.advance(hour);
    assert.equal(bench.asked.length, 3);
    assert.equal(bench.phase, 'approved');
  });

  test('to a rejected node: it asks now', async () => {
    const bench = await started(inTurn(rejected('s-1'), rejected(), accepted('APPROVED')));
    await bench.advance(1_000);
    bench.registration.nudge();
    await bench.clock.settle();
    assert.deepEqual(bench.log, ['register@0', 'update@750', 'update@1000']);
    assert.equal(bench.phase, 'approved');
  });

  test('to one that is not accepted, or deleted: nothing', async () => {
    const bench = await started(inTurn(full(), unknown(), unknown(), deleted()));
    for (let n = 0; n < 100; n++) {
      bench.registration.nudge();
      await bench.advance(100);
    }
    assert.deepEqual(bench.log, ['register@0', 'register@188', 'register@188', 'register@1688']);
    assert.equal(bench.phase, 'deleted');
  });
});

describe('late and foreign answers', () => {
  test('to a report of an earlier session say nothing about this one', async () => {
    const bench = await started(inTurn(accepted('APPROVED', 's-1'), accepted('APPROVED', 's-2')));
    await bench.hear(unknown());
    const before = bench.standing;
    for (const answer of [unknown(), deleted(), rejected(), accepted('PENDING')])
      await bench.hear(answer, 's-1');
    assert.deepEqual([bench.standing, bench.asked.length], [before, 2]);
  });

  test('while it registers, or is rejected, only the answer to its own question counts', async () => {
    const bench = await started(inTurn('silence', rejected('s-1')));
    await bench.hear(accepted('APPROVED'));
    assert.equal(bench.phase, 'registering');
    await bench.advance(6_000);
    assert.equal(bench.phase, 'rejected');
    await bench.hear(accepted('APPROVED'));
    assert.equal(bench.phase, 'rejected');
  });

  test('a registration by hand outdates the question that is on its way', async () => {
    const bench = new Bench(inTurn('silence', accepted('PENDING', 's-2')), { file: sentinel });
    await bench.start();
    bench.registration.register();
    await bench.advance(5_000);
    assert.deepEqual(bench.log, ['update@0', 'register@5000']);
    assert.deepEqual([bench.phase, bench.file?.session], ['pending', 's-2']);
  });

  test('a registration by hand before the sentinel was read', async () => {
    const bench = new Bench(inTurn(accepted('PENDING', 's-2')), { file: sentinel });
    const running = bench.start();
    bench.registration.register();
    await running;
    assert.deepEqual([bench.log, bench.asked[0]?.session], [['register@0'], '']);
    assert.equal(bench.file?.session, 's-2');
  });

  test('a report that hears of a loss outdates the question that is on its way', async () => {
    const bench = await started(inTurn(accepted('PENDING', 's-1'), 'silence', accepted('PENDING', 's-2')));
    bench.registration.nudge();
    await bench.clock.settle();
    await bench.hear(unknown());
    await bench.advance(5_000);
    assert.deepEqual(bench.log, ['register@0', 'update@0', 'register@5000']);
    assert.equal(bench.standing.session, 's-2');
  });
});

describe('a file that fails', () => {
  const fault = new MusterError('not_writable', 'cannot write it: no space left on the device');

  test('a sentinel that cannot be written does not stop the node, and is written later', async () => {
    const bench = new Bench(inTurn(accepted('PENDING', 's-1')));
    bench.fileFault = fault;
    await bench.start();
    assert.equal(bench.phase, 'pending');
    for (let n = 0; n < 10; n++) {
      await bench.advance(3_000);
      await bench.hear(accepted('APPROVED'));
    }
    assert.equal(bench.phase, 'approved');
    assert.deepEqual(bench.said('warn'), [
      'the sentinel could not be written; tried again with the next answer',
    ]);
    assert.deepEqual([bench.file, bench.writes], [undefined, 0]);
    bench.fileFault = undefined;
    await bench.hear(accepted('APPROVED'));
    assert.deepEqual([bench.file?.session, bench.file?.approvedAt], ['s-1', '2026-01-01T00:00:03.000Z']);
    assert.equal(bench.writes, 1);
  });

  test('one that cannot be removed is told, and replaced when that works again', async () => {
    const bench = new Bench(inTurn(unknown(), accepted('PENDING', 's-2')), { file: sentinel });
    bench.fileFault = fault;
    await bench.start();
    assert.deepEqual([bench.phase, bench.file], ['pending', sentinel]);
    bench.fileFault = undefined;
    await bench.hear(accepted('PENDING'));
    assert.equal(bench.file?.session, 's-2');
  });

  test('a disk that hangs holds nothing up, and the newest state is what it gets in the end', async () => {
    const gate = Promise.withResolvers<void>();
    const bench = new Bench(inTurn(accepted('PENDING', 's-1'), accepted('PENDING', 's-2')));
    bench.fileGate = gate.promise;
    await bench.start();
    await bench.hear(accepted('APPROVED'));
    await bench.hear(unknown());
    await bench.hear(accepted('APPROVED'));
    assert.deepEqual([bench.phase, bench.standing.session, bench.asked.length], ['approved', 's-2', 2]);
    gate.resolve();
    await bench.clock.settle();
    assert.deepEqual([bench.file?.session, bench.file?.membership], ['s-2', 'APPROVED']);
    assert.ok(bench.writes <= 2);
  });
});

describe('stopping', () => {
  test('ends at once, wherever it stands, and leaves no timer of its own', async () => {
    const stands: [string, Bench['reply'], number][] = [
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
        bench.said('warn').filter(each => each.startsWith('no answer')),
        [],
        name,
      );
    }
  });

  test('while the broker is away', async () => {
    const bench = new Bench(() => full());
    bench.disconnect();
    await bench.start();
    await bench.stop();
    assert.deepEqual(bench.log, []);
  });

  test('what is being written is written first; what is heard afterwards changes nothing', async () => {
    const gate = Promise.withResolvers<void>();
    const bench = new Bench(inTurn(accepted('PENDING', 's-1')));
    bench.fileGate = gate.promise;
    await bench.start();
    const stopped = bench.stop();
    await bench.hear(deleted());
    assert.equal(bench.phase, 'pending');
    gate.resolve();
    await stopped;
    assert.equal(bench.file?.session, 's-1');
  });
});
