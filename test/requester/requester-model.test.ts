// Compares the whole requester with a model of it, for any sequence of actions of nodes, operators, the store and the
// broker. Both have the same memberships and health, and the event stream has exactly the changes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MusterError } from '../../agent/system/errors.ts';
import { BrokerError } from '../../agent/transport/port.ts';
import type { StoreFault } from '../support/fake-store.ts';
import { halfSecondMs, Model } from './reference.ts';
import { RequesterFixture } from './requester-fixture.ts';

/** A requester with its model. Operations happen half a second after the requester's own timers. */
class Both {
  readonly fixture: RequesterFixture;
  readonly model = new Model();
  readonly #faults: StoreFault[] = [];

  static async begin(): Promise<Both> {
    const both = new Both(await RequesterFixture.started());
    await both.pass();
    return both;
  }

  private constructor(fixture: RequesterFixture) {
    this.fixture = fixture;
    fixture.pace = () => this.pass();
    const { broker } = fixture;
    const announce = broker.announce.bind(broker);
    broker.announce = (name, entry) => {
      if (name === 'node_v1' && entry.key !== 'node-0') this.model.write(entry);
      announce(name, entry);
    };
    broker.storeFault = (operation, key) =>
      /^(get|put|purge|publish)$/.test(operation) && key.includes('node-') ? this.#faults.shift() : undefined;
  }

  get up(): boolean {
    return this.fixture.broker.up;
  }

  async pass(ms = halfSecondMs): Promise<void> {
    for (let passed = 0; passed < ms; passed += halfSecondMs) {
      await this.fixture.clock.advance(halfSecondMs);
      this.model.pass();
    }
  }

  async stall(ms: number): Promise<void> {
    await this.fixture.clock.stall(ms);
    this.model.stall(ms);
    await this.pass();
  }

  async lose(): Promise<void> {
    this.fixture.broker.stop();
    this.model.connected = false;
    await this.fixture.clock.settle();
  }

  async regain(): Promise<void> {
    if (this.up) return;
    this.fixture.broker.start();
    this.model.connected = true;
    await this.fixture.clock.settle();
  }

  fail(faults: StoreFault[]): void {
    this.#faults.push(...faults);
  }

  async restart(how: 'stop' | 'kill'): Promise<void> {
    await this.regain();
    if (how === 'stop') {
      await this.fixture.finish(this.fixture.requester.stop());
      await this.fixture.connection.close();
    } else await this.fixture.kill();
    this.#faults.length = 0;
    // The model and the requester start at a whole second.
    await this.pass(this.model.now % 1_000 === halfSecondMs ? halfSecondMs : 1_000);
    this.model.restarted(this.announced());
    const start = this.model.now;
    await this.fixture.start();
    assert.equal(this.model.now, start);
    await this.pass();
  }

  /**
   * Returns the events of each node in the stream, as a consumer reads them. Conflicts are left out, because the model has
   * none.
   */
  announced(): Map<string, string[]> {
    const announced = new Map<string, string[]>();
    // An event that is sent again after the broker has forgotten its id is stored twice. Consumers drop the second.
    const ids = new Set<string>();
    for (const { id, subject, type } of this.fixture.events()) {
      const kind = type.replace('org.muster.node.', '');
      if (subject === 'node-0' || kind === 'conflict' || ids.has(id)) continue;
      ids.add(id);
      announced.set(subject, [...(announced.get(subject) ?? []), kind]);
    }
    return announced;
  }

  compare(): void {
    const expected = [...this.model.nodes].map(
      ([id, node]) => `${id} Compute ${node.membership} ${this.model.health(node)}`,
    );
    assert.deepEqual(this.fixture.table(), ['node-0 Requester APPROVED UNKNOWN', ...expected].sort());
  }

  /** Lets the broker and the store work again. Asserts that no event is missing and none was announced twice. */
  async end(): Promise<void> {
    await this.regain();
    this.#faults.length = 0;
    await this.pass(30_000);
    this.compare();
    assert.deepEqual(this.announced(), this.model.events);
    await this.fixture.finish(this.fixture.requester.stop());
    assert.equal(this.fixture.clock.pending, 0);
  }
}

const id = fc.constantFrom('node-1', 'node-10', 'node-2');
const fault = fc.record({
  fault: fc.constantFrom('timeout' as const, 'timeout' as const, 'disconnected' as const, 'refused' as const),
  applied: fc.boolean(),
});

type Step = fc.AsyncCommand<Both, object>;
const step = (name: string, run: (both: Both) => Promise<void>): Step => ({
  check: () => true,
  toString: () => name,
  async run(both) {
    await run(both);
    await both.fixture.clock.settle();
    both.compare();
  },
});

/** Returns the code of an error that is allowed when the store or the broker fails. */
const notNow = (error: unknown): string => {
  if (error instanceof BrokerError) return 'unavailable';
  assert.ok(error instanceof MusterError, String(error));
  // A store that does not answer is `unreachable`, and one that refuses is `failed`.
  return /^(unreachable|failed)$/.test(error.code) ? 'unavailable' : error.code;
};

async function leave({ fixture, model, up }: Both, id: string): Promise<void> {
  if (!up) return;
  const message = { NodeID: id, Reason: 'r', ...fixture.senderOf(id) };
  const answer = await fixture.ask(id, 'Leave/v1', message);
  const isCurrent = model.nodes.has(id) && model.nodes.get(id)?.session === fixture.sessions.get(id);
  assert.equal(answer.error === undefined, isCurrent);
  if (isCurrent) model.markLeft(id);
}

const steps: fc.Arbitrary<Step>[] = [
  fc.tuple(id, fc.boolean(), fc.constantFrom('a', 'b')).map(([id, muster, zone]) =>
    step(`register ${id} ${muster ? 'muster' : 'bacalhau'} ${zone}`, async both => {
      const before = both.model.nodes.get(id)?.membership;
      const answer = await both.fixture
        .register(id, muster, { zone })
        .catch(error => ({ failed: notNow(error) }));
      if ('failed' in answer || 'error' in answer) return;
      // The node registered too often, and has to wait.
      if (answer.value?.Muster?.Code === 'unavailable') return;
      assert.equal(answer.value?.Accepted, before !== 'REJECTED');
      assert.equal(
        answer.value?.Reason,
        before === undefined
          ? 'node registered'
          : before === 'REJECTED'
            ? 'node has been rejected'
            : 'node reconnected',
      );
      assert.equal(both.model.nodes.get(id)?.session, both.fixture.sessions.get(id));
      // The next sign of life of a node of Bacalhau may be half a minute away, so its registration is one.
      if (!muster && answer.value?.Accepted) both.model.markAlive(id, both.fixture.sessions.get(id));
    }),
  ),
  fc
    .tuple(id, fc.constantFrom('approve' as const, 'reject' as const, 'delete' as const))
    .map(([id, action]) =>
      step(`${action} ${id}`, async both => {
        const { model, fixture } = both;
        const before = model.nodes.get(id)?.membership;
        // While `node-1` is absent, its id is a prefix that means `node-10`.
        if (before === undefined && id === 'node-1' && model.nodes.has('node-10')) return;
        const to = action === 'approve' ? 'APPROVED' : action === 'reject' ? 'REJECTED' : undefined;
        const outcome = await fixture[action](id).then(() => 'Ok', notNow);
        const expected = before === undefined ? 'not_found' : before === to ? 'conflict' : 'Ok';
        if (outcome === 'unavailable') return;
        assert.equal(outcome, expected);
        if (outcome === 'Ok') assert.equal(model.nodes.get(id)?.membership, to);
      }),
    ),
  id.map(id =>
    step(`heartbeat ${id}`, async both => {
      both.model.markAlive(id, both.fixture.sessions.get(id));
      await both.fixture.heartbeat(id);
    }),
  ),
  id.map(id => step(`leave ${id}`, both => leave(both, id))),
  id.map(id =>
    step(`leave ${id} and come back, four times`, async both => {
      for (let i = 0; i < 4; i++) {
        await leave(both, id);
        both.model.markAlive(id, both.fixture.sessions.get(id));
        await both.fixture.heartbeat(id);
      }
    }),
  ),
  fc
    .constantFrom(1, 5, 15, 30, 44, 45, 46, 90, 100)
    .map(seconds => step(`${seconds} s pass`, both => both.pass(seconds * 1_000))),
  fc
    .integer({ min: 3, max: 400 })
    .map(seconds => step(`suspended for ${seconds} s`, both => both.stall(seconds * 1_000 + halfSecondMs))),
  fc.constantFrom('stop', 'kill').map(how => step(`restart after a ${how}`, both => both.restart(how))),
  fc.constant(step('the broker is lost', both => both.lose())),
  fc.constant(step('the broker is back', both => both.regain())),
  fc
    .array(fault, { minLength: 1, maxLength: 3 })
    .map(faults => step(`the store fails: ${JSON.stringify(faults)}`, async both => both.fail(faults))),
];

test('membership, health and events are right for any sequence of operations and faults', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.commands([...steps, ...steps.slice(0, 5), ...steps.slice(0, 5)], { maxCommands: 60, size: 'max' }),
      async commands => {
        let both: Both | undefined;
        await fc.asyncModelRun(async () => {
          both = await Both.begin();
          return { model: both, real: {} };
        }, commands);
        await both?.end();
      },
    ),
    { numRuns: 200 },
  );
});
