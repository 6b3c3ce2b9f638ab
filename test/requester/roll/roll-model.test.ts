// Compares a roll with a model of the membership rules, over any sequence of registrations, decisions, updates and restarts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { approveNode, deleteNode, rejectNode } from '../../../agent/requester/roll/decisions.ts';
import { storedUpdateLimits } from '../../../agent/requester/roll/stored-updates.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { computeInfo, counting, requesterNode } from '../samples.ts';
import { type OpenRoll, openRoll } from './roll-fixture.ts';

/** Without manual approval, it is the number of nodes that are approved at once. */
const maxPendingOf = (manualApproval: boolean) => (manualApproval ? 2 : 6);
const ids = ['node-0', 'node-1', 'node-10', 'node-2', 'node-3'];

type Peer = 'muster' | 'bacalhau' | 'requester-typed';

/** The membership rules in as few lines as possible. */
class Model {
  readonly nodes = new Map<string, { membership: string; zone: string; session: boolean }>();
  readonly deleted = new Set<string>();
  readonly announced: string[] = [];
  /** The PENDING nodes that were not heard again since they registered, the oldest first. */
  readonly #unheard: string[] = [];
  /** Number of nodes that were approved by registration alone since the last start. */
  #approved = 0;
  /** Number of writes that each node has caused since the last start. Hardly any time passes, so none is forgotten. */
  readonly #writes = new Map<string, number>();

  /** The limits begin anew with each process. */
  restart(): void {
    this.#writes.clear();
    this.#unheard.length = 0;
    this.#approved = 0;
  }

  register(id: string, peer: Peer, zone: string, manualApproval: boolean): string {
    if (peer === 'requester-typed') return 'not_compute';
    if (id === 'node-0') return 'conflict';
    const node = this.nodes.get(id);
    const session = peer === 'muster';
    if (!node) {
      const max = maxPendingOf(manualApproval);
      if (!manualApproval && this.#approved++ >= max) return 'full';
      if (manualApproval && this.pending >= max) {
        const gone = this.#unheard.shift();
        if (!gone) return 'full';
        this.nodes.delete(gone);
        this.announced.push(`${gone} expired`);
      }
      if (manualApproval) this.#unheard.push(id);
      this.nodes.set(id, { membership: manualApproval ? 'PENDING' : 'APPROVED', zone, session });
      this.deleted.delete(id);
      this.announced.push(`${id} registered`);
      return 'registered';
    }
    if (!this.#mayWrite(id)) {
      if (session || node.session) return 'unavailable';
      return node.membership === 'REJECTED' ? 'rejected' : 'reconnected';
    }
    node.session = session;
    this.#forget(id);
    if (node.membership === 'REJECTED') return 'rejected';
    this.#update(id, zone);
    return 'reconnected';
  }

  update(id: string, zone: string): string {
    const node = this.nodes.get(id);
    if (!node) return this.deleted.has(id) ? 'deleted' : 'handshake_required';
    if (id === 'node-0') return 'not_compute';
    if (node.membership === 'REJECTED') return 'rejected';
    if (node.zone !== zone && this.#mayWrite(id)) this.#update(id, zone);
    return 'known';
  }

  decide(id: string, to: 'APPROVED' | 'REJECTED'): string {
    const node = this.nodes.get(id);
    if (!node) return 'not_found';
    if (node.membership === to || id === 'node-0') return 'conflict';
    node.membership = to;
    this.#forget(id);
    this.announced.push(`${id} ${to.toLowerCase()}`);
    return 'ok';
  }

  remove(id: string): string {
    if (!this.nodes.has(id)) return 'not_found';
    if (id === 'node-0') return 'conflict';
    this.nodes.delete(id);
    this.#forget(id);
    this.deleted.add(id);
    this.announced.push(`${id} deleted`);
    return 'ok';
  }

  get pending(): number {
    return [...this.nodes.values()].filter(({ membership }) => membership === 'PENDING').length;
  }

  #forget(id: string): void {
    const at = this.#unheard.indexOf(id);
    if (at >= 0) this.#unheard.splice(at, 1);
  }

  #mayWrite(id: string): boolean {
    const writes = this.#writes.get(id) ?? 0;
    if (writes === storedUpdateLimits.burst) return false;
    this.#writes.set(id, writes + 1);
    return true;
  }

  #update(id: string, zone: string): void {
    const node = this.nodes.get(id);
    if (!node || node.zone === zone) return;
    node.zone = zone;
    this.announced.push(`${id} updated`);
  }
}

interface Real {
  broker: FakeBroker;
  clock: FakeClock;
  open: OpenRoll;
  /** Announced before the last restart. */
  earlier: string[];
}

const announced = ({ open, earlier }: Real) => [
  ...earlier,
  ...open.announced.map(({ id, change }) => `${id} ${change.Kind}`),
];

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
    return 'ok';
  } catch (error) {
    assert.ok(error instanceof MusterError, String(error));
    return error.code;
  }
};

/** Asserts that both have the same records and have announced the same. */
function compare(model: Model, real: Real): void {
  const { roll, present } = real.open;
  const expected = [...model.nodes]
    .map(([id, node]) => [id, node.membership, node.zone, node.session] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const actual = [...roll.records.list()]
    .map(
      state =>
        [
          state.Info.NodeID,
          state.Membership,
          state.Info.Labels?.zone,
          state.Muster?.Session !== undefined,
        ] as const,
    )
    .sort(([a], [b]) => (a < b ? -1 : 1));
  assert.deepEqual(actual, expected);
  assert.deepEqual([...present.keys()].sort(), [...model.nodes.keys()].sort());
  assert.equal(roll.records.size, model.nodes.size);
  assert.equal(roll.records.pending, model.pending);
  assert.deepEqual(announced(real), model.announced);
}

type Step = fc.AsyncCommand<Model, Real>;
const step = (name: string, run: (model: Model, real: Real) => Promise<void>): Step => ({
  check: () => true,
  toString: () => name,
  async run(model, real) {
    // Each registration has a time of its own.
    await real.clock.advance(1);
    await run(model, real);
    await real.clock.settle();
    compare(model, real);
  },
});

const self = { ...requesterNode('node-0'), Labels: { zone: 'x' } };

async function start(broker: FakeBroker, clock: FakeClock, manualApproval: boolean): Promise<OpenRoll> {
  const open = await openRoll(broker, clock, {
    maxPending: maxPendingOf(manualApproval),
    manualApproval,
    random: counting(`s${clock.monotonic()}-`),
  });
  await open.roll.registerSelf(self);
  return open;
}

const id = fc.constantFrom(...ids);
const zone = fc.constantFrom('a', 'b');

const steps = (manualApproval: boolean): fc.Arbitrary<Step>[] => [
  fc
    .tuple(id, fc.constantFrom<Peer>('muster', 'muster', 'bacalhau', 'requester-typed'), zone)
    .map(([id, peer, zone]) =>
      step(`register ${id} ${peer} ${zone}`, async (model, { open }) => {
        const info = computeInfo(id, { zone });
        if (peer === 'requester-typed') info.NodeType = 'Requester';
        const Muster = peer === 'muster' ? { Version: '0.1.0' } : undefined;
        const { code } = await open.roll.register({ Info: info, Muster });
        assert.equal(code, model.register(id, peer, zone, manualApproval));
      }),
    ),
  fc.tuple(id, zone).map(([id, zone]) =>
    step(`update ${id} ${zone}`, async (model, { open }) => {
      const { code } = await open.roll.updateInfo(computeInfo(id, { zone }));
      assert.equal(code, model.update(id, zone));
    }),
  ),
  fc.tuple(id, fc.constantFrom(approveNode, rejectNode)).map(([id, rule]) =>
    step(`${rule.name} ${id}`, async (model, { open }) => {
      const expected = model.decide(id, rule === approveNode ? 'APPROVED' : 'REJECTED');
      // While `node-1` is absent, its id is a prefix that means `node-10`.
      if (expected === 'not_found' && id === 'node-1' && model.nodes.has('node-10')) return;
      assert.equal(await codeOf(open.roll.decide(id, { reason: 'r', actor: 'ann' }, rule)), expected);
    }),
  ),
  id.map(id =>
    step(`delete ${id}`, async (model, { open }) => {
      if (id === 'node-1' && !model.nodes.has('node-1') && model.nodes.has('node-10')) return;
      assert.equal(
        await codeOf(open.roll.decide(id, { reason: '', actor: 'ann' }, deleteNode)),
        model.remove(id),
      );
    }),
  ),
  fc.constant(
    step('restart', async (model, real) => {
      model.restart();
      real.earlier = announced(real);
      real.open.roll.stop();
      await real.clock.advance(1);
      real.open = await start(real.broker, real.clock, manualApproval);
    }),
  ),
];

for (const manualApproval of [true, false]) {
  test(`any sequence keeps the membership rules, approval ${manualApproval ? 'by hand' : 'automatic'}`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.commands(steps(manualApproval), { maxCommands: 60, size: 'max' }),
        async commands => {
          const clock = new FakeClock();
          const broker = new FakeBroker(clock);
          await fc.asyncModelRun(async () => {
            const open = await start(broker, clock, manualApproval);
            const model = new Model();
            model.nodes.set('node-0', { membership: 'APPROVED', zone: 'x', session: false });
            model.announced.push('node-0 registered');
            return { model, real: { broker, clock, open, earlier: [] } };
          }, commands);
        },
      ),
      { numRuns: 60 },
    );
  });
}
