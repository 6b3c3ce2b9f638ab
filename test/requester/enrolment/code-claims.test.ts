// Two requesters let nodes in by one join code. Whatever happens to their writes and however late each hears of the other, never
// more nodes come in than the code has uses, and no use is lost for good.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodePublicKey } from '../../../agent/protocol/nkey.ts';
import { clusterBucket } from '../../../agent/requester/cluster/cluster-bucket.ts';
import { wasChanged } from '../../../agent/requester/cluster/record-conflict.ts';
import { EnrolmentRecords } from '../../../agent/requester/enrolment/enrolment-records.ts';
import { pinNewcomer } from '../../../agent/requester/enrolment/pin-newcomer.ts';
import { keyTurn, nodeTurn, Turns } from '../../../agent/requester/enrolment/turns.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { BrokerError, type Bucket } from '../../../agent/transport/port.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { SeededRandom } from '../../support/seeded-random.ts';
import { followSets } from '../follow-sets.ts';

/** Lets what waits go on in an order that the seed makes. */
class Disorder {
  readonly #clock: FakeClock;
  readonly random: SeededRandom;
  readonly #waiting: (() => void)[] = [];
  /** Whether writes go wrong. */
  isRough = true;

  constructor(clock: FakeClock, seed: number) {
    this.#clock = clock;
    this.random = new SeededRandom(seed);
  }

  turn(): Promise<void> {
    return new Promise(resolve => this.#waiting.push(resolve));
  }

  async until(work: Promise<unknown>): Promise<void> {
    let isDone = false;
    const end = () => {
      isDone = true;
    };
    work.then(end, end);
    for (;;) {
      await this.#clock.settle();
      if (isDone) return;
      if (!this.#next()) await this.#clock.advance(500);
    }
  }

  /** Lets all that waits go on. */
  async calm(): Promise<void> {
    do await this.#clock.settle();
    while (this.#next());
  }

  #next(): boolean {
    const [resume] = this.#waiting.splice(this.random.below(this.#waiting.length), 1);
    resume?.();
    return resume !== undefined;
  }
}

/** Returns the bucket as one requester sees it: slow, with answers that are lost and writes that are carried out much later. */
function slow(bucket: Bucket, disorder: Disorder): Bucket {
  const late = async <T>(work: () => Promise<T>): Promise<T> => {
    await disorder.turn();
    const result = await work();
    await disorder.turn();
    return result;
  };
  const rough = async <T>(write: () => Promise<T>): Promise<T> => {
    await disorder.turn();
    const fate = disorder.isRough ? disorder.random.number() : 1;
    const noAnswer = new BrokerError('timeout', 'no answer');
    if (fate < 0.1) {
      void disorder
        .turn()
        .then(() => disorder.turn())
        .then(write)
        .catch(() => undefined);
      throw noAnswer;
    }
    const result = await write();
    if (fate < 0.2) throw noAnswer;
    await disorder.turn();
    return result;
  };
  return {
    state: () => bucket.state(),
    get: key => late(() => bucket.get(key)),
    put: (...args) => rough(() => bucket.put(...args)),
    purge: (...args) => rough(() => bucket.purge(...args)),
    remove: (...args) => rough(() => bucket.remove(...args)),
    watch: (fn, passes) => {
      let brought = Promise.resolve();
      return bucket.watch(entry => {
        brought = brought.then(() => disorder.turn()).then(() => fn(entry));
      }, passes);
    },
  };
}

async function begin(seed: number, uses: number) {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const disorder = new Disorder(clock, seed);
  const open = async () => {
    const bucket = slow(await (await broker.connect().storage()).bucket(clusterBucket), disorder);
    const records = new EnrolmentRecords({
      bucket,
      clock,
      log: silentLog,
      events: { announce: () => undefined },
    });
    await followSets(broker, bucket, records.sets);
    return Object.assign(records, { turns: new Turns() });
  };
  const requesters = [await open(), await open()] as const;
  disorder.isRough = false;
  const wish = { lifetimeMs: 3_600_000, uses, approve: false, labels: {}, network: undefined };
  const creating = requesters[0].joinCodes.create(wish, { actor: 'ada' });
  await disorder.until(creating);
  const { token, code } = await creating;
  await disorder.calm();
  disorder.isRough = true;

  /** Asks a requester to let a node in, as the gatekeeper does. */
  const admit = (records: (typeof requesters)[number], key: string, node: string): Promise<boolean> =>
    records.turns.run([keyTurn(key), nodeTurn(node)], () => decide(records, key, node));
  const decide = async (records: EnrolmentRecords, key: string, node: string): Promise<boolean> => {
    const { pins } = records;
    for (let attempt = 1; attempt <= 3; attempt++) {
      if (pins.nodeOf(key) !== undefined) return pins.nodeOf(key) === node;
      if (pins.of(node) || records.joinCodes.check(token, '', { key, node }).kind !== 'valid') return false;
      const pin = { key, code: code.id, at: clock.now().toISOString() };
      try {
        await pinNewcomer(node, pin, { ...records, hasPeers: () => true });
        return true;
      } catch (error) {
        if (error instanceof BrokerError) return false;
        if (!wasChanged(error)) throw error;
      }
    }
    return false;
  };
  return { clock, disorder, requesters, admit };
}

const keyOf = (n: number) => encodePublicKey(Buffer.alloc(32, n + 1));

test('a code of two requesters lets in as many nodes as it says, whatever happens to their writes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer(),
      fc.integer({ min: 1, max: 3 }),
      // Which newcomer asks which requester: some ask both, and some want the same id.
      fc.array(fc.tuple(fc.nat(4), fc.nat(1), fc.boolean()), { minLength: 2, maxLength: 8 }),
      async (seed, uses, questions) => {
        const { clock, disorder, requesters, admit } = await begin(seed, uses);
        const letIn = new Set<string>();
        const ask = async ([n, at, isShared]: (typeof questions)[number]) => {
          const node = isShared ? 'node-x' : `node-${n}`;
          if (await admit(requesters[at as 0 | 1], keyOf(n), node)) letIn.add(`${keyOf(n)} ${node}`);
        };
        await disorder.until(Promise.all(questions.map(ask)));
        await clock.advance(31_000);
        await disorder.until(Promise.all(questions.map(ask)));
        disorder.isRough = false;
        await disorder.calm();
        assert.ok(letIn.size <= uses, `${letIn.size} nodes of ${uses}`);

        // The code is used up by newcomers in the end.
        for (let n = 0; n < 8; n++) {
          if (n === 4) await clock.advance(31_000);
          const node = `late-${n % 4}`;
          await disorder.until(
            admit(requesters[n % 2 === 0 ? 0 : 1], keyOf(10 + (n % 4)), node).then(
              isIn => isIn && letIn.add(node),
            ),
          );
          await disorder.calm();
        }
        for (const { pins } of requesters) assert.equal(pins.size, uses);
        const [{ pins: one }, { pins: two }] = requesters;
        const owners = [...one.ids()].map(id => [id, one.of(id)?.key]);
        assert.deepEqual(owners.toSorted(), [...two.ids()].map(id => [id, two.of(id)?.key]).toSorted());
        assert.equal(new Set(owners.map(([, key]) => key)).size, uses, 'no key has two nodes');
      },
    ),
    { numRuns: 100 },
  );
});

test('a use that a requester claimed and then ended is taken back after a while, and its late write fails', async () => {
  const { clock, disorder, requesters, admit } = await begin(1, 1);
  disorder.isRough = false;
  const [first, second] = requesters;
  const revision = first.pins.revisionToAdd('node-1');
  await disorder.until(revision);
  const code = first.joinCodes.list()[0]?.id ?? '';
  const claiming = first.claims.claim(code, { key: keyOf(1), node: 'node-1' });
  await disorder.until(claiming);
  await disorder.calm();
  const ask = async () => {
    const asked = admit(second, keyOf(2), 'node-2');
    await disorder.until(asked);
    return asked;
  };
  assert.equal(await ask(), false, 'it is claimed');
  await clock.advance(30_000);
  assert.equal(await ask(), true);
  const pin = { key: keyOf(1), code, at: clock.now().toISOString() };
  const adding = first.pins.addAmongOthers('node-1', pin, await revision);
  adding.catch(() => undefined);
  await disorder.until(adding);
  await assert.rejects(adding, { code: 'conflict' });
});
