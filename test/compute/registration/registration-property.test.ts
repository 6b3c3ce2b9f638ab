// Whatever a requester answers, in whatever order and with whatever loss: never too fast, never broken, approved in the end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BrokerError } from '../../../agent/transport/port.ts';
import { seededRandom } from '../../support/steady-random.ts';
import { answers, Bench, bacalhau, type Reply, sentinel } from './registration-bench.ts';

const { accepted, rejected, deleted, unknown, full } = answers;

const replies: fc.Arbitrary<Reply> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(accepted('PENDING', 's-a'), accepted('APPROVED', 's-b')) },
  { weight: 3, arbitrary: fc.constant(unknown()) },
  {
    weight: 6,
    arbitrary: fc.constantFrom<Reply>(
      'silence',
      new BrokerError('no_responders', 'nobody listens'),
      new BrokerError('disconnected', 'lost'),
      new Error('not a JSON document'),
      rejected('s-c'),
      rejected(),
      deleted(),
      full(),
      accepted('APPROVED', 's-d', 'c-2'),
      bacalhau.accepted(),
      bacalhau.unknown(),
    ),
  },
);

type Step =
  | { do: 'wait'; ms: number }
  | { do: 'hear'; reply: Reply; session: 'now' | 'old' }
  | { do: 'nudge' | 'register' | 'disconnect' | 'connect' | 'break file' | 'mend file' };

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.oneof(fc.nat(300), fc.nat(200_000)) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('hear' as const),
      reply: replies,
      session: fc.constantFrom('now' as const, 'old' as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'nudge' as const,
        'register' as const,
        'disconnect' as const,
        'connect' as const,
        'break file' as const,
        'mend file' as const,
      ),
    }),
  },
);

async function act(bench: Bench, step: Step): Promise<void> {
  switch (step.do) {
    case 'wait':
      return bench.advance(step.ms);
    case 'hear':
      if (typeof step.reply === 'string' || step.reply instanceof Error) return;
      return bench.hear(step.reply, step.session === 'now' ? bench.standing.session : 's-older');
    case 'nudge':
      return bench.registration.nudge();
    case 'register':
      return bench.registration.register();
    case 'disconnect':
      return bench.disconnect();
    case 'connect':
      return bench.connect();
    case 'break file':
      bench.fileFault = new Error('no space left');
      return;
    case 'mend file':
      bench.fileFault = undefined;
  }
}

const scenarios = fc.record({
  seed: fc.nat(),
  known: fc.boolean(),
  rejoin: fc.boolean(),
  script: fc.array(replies, { minLength: 1, maxLength: 60 }),
  steps: fc.array(steps, { maxLength: 60 }),
});

test('any answers, losses and interruptions', async () => {
  await fc.assert(
    fc.asyncProperty(scenarios, async ({ seed, known, rejoin, script, steps }) => {
      const options = { random: seededRandom(seed), ...(known ? { file: sentinel } : {}) };
      // What comes after the script is a requester that is kind at last.
      let kind = false;
      const bench = new Bench((_, count) => {
        if (kind) return accepted('APPROVED', 's-z');
        return script[(count - 1) % script.length] ?? 'silence';
      }, options);
      bench.rejoin = rejoin;
      await bench.start();
      for (const step of steps) await act(bench, step);

      // Every question but the first few has waited: an eighth of a second at least, unless somebody pressed, or a
      // registration was lost that was the first or had lasted.
      const questions = bench.asked.map(each => each.at);
      const quick = questions.filter(
        (at, index) => at - (questions[index - 1] ?? Number.NEGATIVE_INFINITY) < 125,
      ).length;
      const pressed = steps.filter(step => step.do === 'nudge' || step.do === 'register').length;
      const lasted = Math.floor(bench.clock.monotonic() / 120_000);
      assert.ok(quick <= 2 + 2 * pressed + lasted, `${quick} too soon after another: ${bench.log}`);
      assert.ok(bench.atOnce <= 1, 'one question at a time');

      kind = true;
      bench.fileFault = undefined;
      bench.connect();
      // The longest wait between two questions, and then some; the reports ask all the while.
      for (let waited = 0; waited < 130_000; waited += 10_000) {
        // By an answer of before, which may still have been on its way.
        if (bench.phase === 'deleted') bench.registration.register();
        await bench.advance(10_000);
        await bench.hear(accepted('APPROVED'));
      }
      assert.equal(bench.phase, 'approved');
      assert.equal(bench.file?.session, bench.standing.session, 'the sentinel says the same');
      assert.ok(bench.file?.approvedAt);
      await bench.stop();
      assert.ok(bench.clock.pending <= bench.inFlight);
    }),
    { numRuns: 1_000 },
  );
});

test('whatever a requester repeats for an hour, it is asked every five seconds at most', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(replies, { minLength: 1, maxLength: 8 }), fc.nat(), async (script, seed) => {
      const reply: Bench['reply'] = (_, count) => script[(count - 1) % script.length] ?? 'silence';
      const bench = new Bench(reply, { random: seededRandom(seed) });
      bench.rejoin = true;
      await bench.start();
      await bench.advance(3_600_000);
      assert.ok(bench.asked.length <= 3_600 / 5 + 20, `${bench.asked.length} in an hour`);
    }),
    { numRuns: 100 },
  );
});
