// For any answers of a requester, in any order and with any loss, a node does not ask too often and is approved in the end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BrokerError } from '../../../agent/transport/port.ts';
import { seededRandom } from '../../support/steady-random.ts';
import { answers, bacalhau, RegistrationBench, type Reply, sentinel } from './registration-bench.ts';

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
  | { do: 'answer report'; reply: Reply; session: 'now' | 'old' }
  | { do: 'confirm' | 'register' | 'disconnect' | 'connect' | 'break file' | 'mend file' };

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.oneof(fc.nat(300), fc.nat(200_000)) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('answer report' as const),
      reply: replies,
      session: fc.constantFrom('now' as const, 'old' as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'confirm' as const,
        'register' as const,
        'disconnect' as const,
        'connect' as const,
        'break file' as const,
        'mend file' as const,
      ),
    }),
  },
);

async function act(bench: RegistrationBench, step: Step): Promise<void> {
  switch (step.do) {
    case 'wait':
      return bench.advance(step.ms);
    case 'answer report':
      if (typeof step.reply === 'string' || step.reply instanceof Error) return;
      return bench.answerReport(step.reply, step.session === 'now' ? bench.state.session : 's-older');
    case 'confirm':
      return bench.registration.confirm();
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

test('a node is approved in the end after any answers, losses and interruptions', async () => {
  await fc.assert(
    fc.asyncProperty(scenarios, async ({ seed, known, rejoin, script, steps }) => {
      const options = { random: seededRandom(seed), ...(known ? { file: sentinel } : {}) };
      // After the script the requester accepts every node.
      let isScriptOver = false;
      const bench = new RegistrationBench((_, count) => {
        if (isScriptOver) return accepted('APPROVED', 's-z');
        return script[(count - 1) % script.length] ?? 'silence';
      }, options);
      bench.settings.rejoinAfterDelete = rejoin;
      await bench.start();
      for (const step of steps) await act(bench, step);

      // Every request but the first few waits for an eighth of a second at least. Exceptions are a request that somebody
      // asked for, and the registration after a first void or after a registration that was stable.
      const times = bench.asked.map(each => each.at);
      const quick = times.filter(
        (at, index) => at - (times[index - 1] ?? Number.NEGATIVE_INFINITY) < 125,
      ).length;
      const askedFor = steps.filter(step => step.do === 'confirm' || step.do === 'register').length;
      const stable = Math.floor(bench.clock.monotonic() / 120_000);
      assert.ok(quick <= 2 + 2 * askedFor + stable, `${quick} too soon after another: ${bench.requests}`);
      assert.ok(bench.mostInFlight <= 1, 'one request at a time');

      isScriptOver = true;
      bench.fileFault = undefined;
      bench.connect();
      // This loop lasts longer than the longest wait between two requests. Meanwhile the reports ask the requester.
      for (let waited = 0; waited < 130_000; waited += 10_000) {
        // An answer of the script may still have been on its way.
        if (bench.phase === 'deleted') bench.registration.register();
        await bench.advance(10_000);
        await bench.answerReport(accepted('APPROVED'));
      }
      assert.equal(bench.phase, 'approved');
      assert.equal(bench.file?.session, bench.state.session, 'the sentinel has the same session');
      assert.ok(bench.file?.approvedAt);
      await bench.stop();
      assert.ok(bench.clock.pending <= bench.inFlight);
    }),
    { numRuns: 1_000 },
  );
});

test('whatever a requester repeats for an hour, it is asked every five seconds at most on average', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(replies, { minLength: 1, maxLength: 8 }), fc.nat(), async (script, seed) => {
      const reply: RegistrationBench['reply'] = (_, count) =>
        script[(count - 1) % script.length] ?? 'silence';
      const bench = new RegistrationBench(reply, { random: seededRandom(seed) });
      bench.settings.rejoinAfterDelete = true;
      await bench.start();
      await bench.advance(3_600_000);
      assert.ok(bench.asked.length <= 3_600 / 5 + 20, `${bench.asked.length} in an hour`);
    }),
    { numRuns: 100 },
  );
});
