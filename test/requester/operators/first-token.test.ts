// Property tests of the first tokens: requesters that make, or revoke, theirs at the same time, in any order of the steps.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { FirstTokenFile } from '../../../agent/requester/operators/first-token-file.ts';
import { Operators } from '../../../agent/requester/operators/operators.ts';
import { newCounters } from '../../../agent/requester/status/counters.ts';
import type { Bucket } from '../../../agent/transport/port.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { recordLog } from '../../support/log-lines.ts';
import { followSets } from '../follow-sets.ts';

const ids = ['node-0', 'node-1', 'node-2'];
const act = { actor: 'local', claimedActor: 'ada@desk' };

/** Lets the scheduler decide when each call begins and when its answer comes. */
function delayed<A extends unknown[], R>(
  scheduler: fc.Scheduler,
  name: string,
  work: (...args: A) => Promise<R>,
): (...args: A) => Promise<R> {
  return async (...args) => {
    await scheduler.schedule(Promise.resolve(), `${name} begins`);
    // A failure is an answer, too.
    const [outcome] = await Promise.allSettled([work(...args)]);
    await scheduler.schedule(Promise.resolve(), `${name} is answered`);
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  };
}

class FileInMemory implements FirstTokenFile {
  readonly path: string;
  token: string | undefined;
  readonly read: FirstTokenFile['read'];
  readonly write: FirstTokenFile['write'];

  constructor(scheduler: fc.Scheduler, id: string) {
    this.path = `/${id}/operator.token`;
    this.read = delayed(scheduler, `${id} reads`, async () => this.token);
    this.write = delayed(scheduler, `${id} writes`, async (token: string) => {
      this.token = token;
    });
  }
}

/** Begins requesters on one empty store, which makes `scheduler` decide about the order of their steps. */
async function begin(scheduler: fc.Scheduler) {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const stored = await (await broker.connect().storage()).bucket({ name: 'muster_v1', history: 1 });
  const requesters = ids.map(requesterId => {
    const bucket: Bucket = Object.assign(Object.create(stored), {
      get: delayed(scheduler, `${requesterId} get`, (key: string) => stored.get(key)),
      put: delayed(scheduler, `${requesterId} put`, (...args: Parameters<Bucket['put']>) =>
        stored.put(...args),
      ),
      purge: delayed(scheduler, `${requesterId} purge`, (...args: Parameters<Bucket['purge']>) =>
        stored.purge(...args),
      ),
    });
    const file = new FileInMemory(scheduler, requesterId);
    const operators = new Operators({
      bucket,
      requesterId,
      clock,
      log: recordLog().log,
      counters: newCounters(),
      firstToken: file,
      events: { announce: () => undefined },
    });
    return { operators, file };
  });
  for (const { operators } of requesters) await followSets(broker, stored, operators.sets);
  return requesters;
}

/** Checks that each requester has a token of its own, and that all of them know it. */
function checkTokens(requesters: Awaited<ReturnType<typeof begin>>): void {
  const names = requesters.map(({ file }, index) => {
    for (const { operators } of requesters) {
      const checked = operators.check(file.token ?? '');
      assert.equal(checked.kind, 'valid', `the token of ${ids[index]}`);
    }
    return requesters[0]?.operators.check(file.token ?? '');
  });
  assert.equal(new Set(names.map(name => JSON.stringify(name))).size, ids.length);
}

test('requesters that start at once on an empty store each have a token, in whatever order their steps come', async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), async scheduler => {
      const requesters = await begin(scheduler);
      await scheduler.waitFor(Promise.all(requesters.map(({ operators }) => operators.open())));
      await scheduler.waitIdle();
      checkTokens(requesters);
    }),
    { numRuns: 100 },
  );
});

test('requesters whose tokens are revoked at once, by themselves and by others, each have a token afterwards', async () => {
  const revocations = fc.array(fc.record({ at: fc.nat({ max: 2 }), of: fc.nat({ max: 2 }) }), {
    maxLength: 5,
  });
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), revocations, async (scheduler, list) => {
      const requesters = await begin(scheduler);
      await scheduler.waitFor(Promise.all(requesters.map(({ operators }) => operators.open())));
      await scheduler.waitIdle();
      const nameOf = (index: number) => /^mop_(.*)_/.exec(requesters[index]?.file.token ?? '')?.[1] ?? '';
      const before = requesters.map(({ file }) => file.token ?? '');
      const done = await scheduler.waitFor(
        Promise.allSettled(list.map(({ at, of }) => requesters[at]?.operators.revoke(nameOf(of), act))),
      );
      await scheduler.waitIdle();
      checkTokens(requesters);
      list.forEach(({ of }, index) => {
        if (done[index]?.status === 'fulfilled')
          assert.equal(requesters[0]?.operators.check(before[of] ?? '').kind, 'unknown');
      });
    }),
    { numRuns: 100 },
  );
});
