// Tests that a record of a later version loses nothing when this version writes it: members, and kinds of changes.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { maxMessageBytes } from '../../../agent/protocol/json.ts';
import { nodeView } from '../../../agent/requester/directory/node-view.ts';
import { rejectNode } from '../../../agent/requester/roll/decisions.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { RequesterFixture } from '../requester-fixture.ts';
import { at, computeInfo, record } from '../samples.ts';
import { begin, foreignWrite, openRoll, stored } from './roll-fixture.ts';

const name = fc.stringMatching(/^(__proto__|constructor|x-[a-z]{1,8})$/);
const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null));
/** Members that no version of muster has. */
const unknown = fc.dictionary(name, fc.oneof(leaf, fc.array(leaf), fc.dictionary(name, leaf)), {
  maxKeys: 3,
});

const frobnicated = {
  Kind: 'frobnicated',
  Revision: 0,
  At: at,
  Previous: 'QUARANTINED',
  By: { name: 'ann' },
};

/** Returns a record of a later version, as it stands in the store. */
const laterRecord = (id: string, changes: object[], members: Record<string, unknown>[] = []) => {
  const [top, info, muster, decision, change] = members;
  const known = {
    Kind: 'approved',
    Revision: 1,
    At: at,
    Previous: 'PENDING',
    Current: 'APPROVED',
    ...change,
  };
  return {
    ...record(id, 'APPROVED'),
    ...top,
    Info: { ...computeInfo(id), ...info },
    Muster: {
      Session: 's-1',
      Decision: { Action: 'approve', Reason: 'ours', Actor: 'ann', At: at, ...decision },
      Changes: [known, ...changes],
      ...muster,
    },
  };
};

const kept = (
  value: Record<string, unknown>,
  members: Record<string, unknown> | undefined,
  where: string,
) => {
  // A dictionary has no prototype, so the texts are compared.
  for (const [name, member] of Object.entries(members ?? {}))
    assert.equal(
      JSON.stringify(Object.getOwnPropertyDescriptor(value, name)?.value),
      JSON.stringify(member),
      `${where}.${name}`,
    );
};

test('members that this version does not know are kept at every level, whatever is written', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(unknown, { minLength: 5, maxLength: 5 }), async members => {
      const { broker, register, reject, roll } = await begin();
      foreignWrite(broker, 'node-1', JSON.stringify(laterRecord('node-1', [], members)));
      await register('node-1');
      await roll.updateInfo(computeInfo('node-1', { zone: 'b' }));
      const [top, info, muster, decision] = members;
      const written = JSON.parse(stored(broker, 'node-1'));
      assert.equal(written.Info.Labels.zone, 'b');
      kept(written, top, 'record');
      kept(written.Info, info, 'Info');
      kept(written.Muster, muster, 'Muster');
      kept(written.Muster.Decision, decision, 'Decision');
      await reject('node-1');
      const decided = JSON.parse(stored(broker, 'node-1'));
      kept(decided, top, 'record');
      kept(decided.Info, info, 'Info');
      kept(decided.Muster, muster, 'Muster');
    }),
    { numRuns: 60 },
  );
});

test('such members are shown to nobody, and make no information count as changed', async () => {
  const { clock, broker, roll, announced } = await begin();
  const members = Array.from({ length: 5 }, () => ({ 'x-secret': 'hush' }));
  foreignWrite(broker, 'node-1', JSON.stringify(laterRecord('node-1', [], members)));
  await clock.settle();
  const before = stored(broker, 'node-1');
  const { length } = announced;
  await roll.updateInfo(computeInfo('node-1'));
  assert.equal(stored(broker, 'node-1'), before);
  assert.equal(announced.length, length);
  const state = roll.records.get('node-1');
  assert.ok(state);
  const view = nodeView(state, 'HEALTHY', undefined, undefined, undefined);
  assert.doesNotMatch(JSON.stringify(view), /hush/);
});

test('such members give way when a decision would otherwise not fit into the record', async () => {
  const { clock, broker, reject } = await begin();
  const room = maxMessageBytes - JSON.stringify(laterRecord('node-1', [])).length - 20;
  const large = { 'x-large': 'x'.repeat(room) };
  foreignWrite(broker, 'node-1', JSON.stringify(laterRecord('node-1', [], [large])));
  await clock.settle();
  await reject('node-1');
  const written = JSON.parse(stored(broker, 'node-1'));
  assert.deepEqual([written.Membership, 'x-large' in written], ['REJECTED', false]);
});

test('a record with the change of a later version is read, and other nodes share nothing with it', async () => {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const host = { Kernel: 'linux' };
  for (const [index, extra] of [{}, { 'x-boot': 'a' }, { 'x-boot': 'b' }, {}].entries()) {
    const one = laterRecord(`node-${index}`, [frobnicated]);
    foreignWrite(
      broker,
      `node-${index}`,
      JSON.stringify({ ...one, Info: { ...one.Info, Host: { ...host, ...extra } } }),
    );
  }
  const { roll } = await openRoll(broker, clock);
  const hosts = ['node-0', 'node-1', 'node-2', 'node-3'].map(async id => {
    await roll.decide(id, { reason: 'r', actor: 'ann' }, rejectNode);
    return JSON.parse(stored(broker, id)).Info.Host;
  });
  assert.deepEqual(await Promise.all(hosts), [
    host,
    { ...host, 'x-boot': 'a' },
    { ...host, 'x-boot': 'b' },
    host,
  ]);
});

const revision = (broker: FakeBroker, id: string) => broker.openBucket('node_v1').entries.get(id)?.revision;

describe('a change of a later version', () => {
  const fixtureWith = async (changes: object[]) => {
    const clock = new FakeClock();
    const broker = new FakeBroker(clock);
    foreignWrite(broker, 'node-1', JSON.stringify(laterRecord('node-1', changes)));
    return RequesterFixture.started({ clock, broker });
  };
  const changesIn = (broker: FakeBroker) => JSON.parse(stored(broker, 'node-1')).Muster.Changes;

  test('stays in the record with its revision while this version decides, and is announced by nobody', async () => {
    const fixture = await fixtureWith([frobnicated]);
    await fixture.reject('node-1');
    await fixture.approve('node-1');
    const [later, ...known] = changesIn(fixture.broker);
    assert.deepEqual(later, { ...frobnicated, Revision: 1, Kept: true });
    assert.deepEqual(
      known.map(({ Kind }: { Kind: string }) => Kind),
      ['approved'],
    );
    assert.deepEqual(fixture.announced(), ['node-1 approved', 'node-1 rejected', 'node-1 approved']);
  });

  test('keeps its revision when a write is acknowledged before the watch brings it', async () => {
    const fixture = await fixtureWith([frobnicated]);
    // The watch brings nothing until the next decision.
    fixture.broker.announce = () => undefined;
    await fixture.reject('node-1');
    await fixture.approve('node-1');
    assert.deepEqual(changesIn(fixture.broker)[0], { ...frobnicated, Revision: 1, Kept: true });
  });

  test('stays through a deletion, a restart and another registration', async () => {
    const fixture = await fixtureWith([frobnicated]);
    await fixture.delete('node-1');
    await fixture.kill();
    await fixture.start();
    await fixture.register('node-1');
    assert.deepEqual(changesIn(fixture.broker)[0], { ...frobnicated, Revision: 1, Kept: true });
  });

  test('is bounded like the others: the oldest gives way', async () => {
    const many = Array.from({ length: 63 }, (_, index) => ({ ...frobnicated, Revision: index + 2 }));
    const fixture = await fixtureWith(many);
    await fixture.reject('node-1');
    const changes = changesIn(fixture.broker);
    assert.equal(changes.length, 64);
    assert.deepEqual([changes[0].Revision, changes.at(-1).Kind], [2, 'rejected']);
    await fixture.approve('node-1');
    assert.equal(changesIn(fixture.broker)[0].Revision, 2);
  });

  test('is announced once when that version comes back, after later changes were announced', async () => {
    const fixture = new RequesterFixture();
    await fixture.start();
    await fixture.register('node-1');
    await fixture.approve('node-1');
    await fixture.live(1_000);
    const before = fixture.announced();
    await fixture.kill();
    const record = JSON.parse(stored(fixture.broker, 'node-1'));
    // The change of the approval has no revision: it means that of the record.
    const approved = { ...record.Muster.Changes.at(-1), Revision: revision(fixture.broker, 'node-1') };
    const keptChange = { ...approved, Kind: 'rejected', Revision: 1, Reason: 'kept', Kept: true };
    record.Muster.Changes = [keptChange, approved];
    foreignWrite(fixture.broker, 'node-1', JSON.stringify(record));
    for (let starts = 0; starts < 2; starts++) {
      await fixture.start();
      await fixture.live(1_000);
      assert.deepEqual(fixture.announced(), [...before, 'node-1 rejected']);
      await fixture.kill();
    }
  });
});
