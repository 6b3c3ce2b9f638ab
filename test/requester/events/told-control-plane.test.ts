// A record that the store lost comes back with the labels and the cordon that operators gave its node, as its events tell them.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { eventSubject } from '../../../agent/protocol/subjects.ts';
import type { ChangeEvent } from '../../../agent/requester/events/change-event.ts';
import { readControlPlane, toldControlPlane } from '../../../agent/requester/events/told-control-plane.ts';
import { nodeBucket, readEntry } from '../../../agent/requester/roll/store.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import type { EventStream } from '../../../agent/transport/port.ts';
import { RequesterFixture } from '../requester-fixture.ts';
import { at } from '../samples.ts';

const dayMs = 86_400_000;
const key = fc.constantFrom('rack', 'site', 'spare');
const reason = fc.constantFrom('', 'disk swap', 'kernel');
const deed = fc.oneof(
  fc.record({
    do: fc.constant('label' as const),
    labels: fc.dictionary(key, fc.constantFrom(null, 'a', 'b'), { minKeys: 1, noNullPrototype: true }),
  }),
  fc.record({
    do: fc.constantFrom('cordon' as const, 'drain' as const),
    forMs: fc.option(fc.integer({ min: dayMs, max: 9 * dayMs }), { nil: undefined }),
  }),
  fc.record({ do: fc.constant('drain' as const), deadlineMs: fc.constant(dayMs) }),
  fc.record({
    do: fc.constantFrom('uncordon' as const, 'runs nothing' as const, 'goes and comes back' as const),
  }),
  fc.record({ do: fc.constantFrom('begins anew' as const, 'stops' as const) }),
);

/** What the record in the store says that the control plane gave the node. */
function givenIn({ broker }: RequesterFixture) {
  const stored = readEntry(broker.openBucket(nodeBucket.name).entries.get('node-1'));
  assert.equal(stored.kind, 'record');
  const { Labels, LabelOrigins = [], Cordon } = (stored.kind === 'record' && stored.state.Muster) || {};
  const origins = LabelOrigins.toSorted((a, b) => (a.Label < b.Label ? -1 : 1));
  return JSON.parse(JSON.stringify({ Labels: Object.entries(Labels ?? {}).sort(), origins, Cordon }));
}

async function start(): Promise<RequesterFixture> {
  const fixture = await RequesterFixture.started();
  await fixture.register('node-1');
  await fixture.approve('node-1');
  return fixture;
}

/** Loses the record, and has it written again. */
async function loseAndRebuild(fixture: RequesterFixture): Promise<void> {
  fixture.broker.openBucket(nodeBucket.name).entries.delete('node-1');
  await fixture.kill();
  await fixture.start();
  await fixture.finish(fixture.requester.directory.rebuild('node-1', { actor: 'ann' }));
}

describe('a record that is rebuilt', () => {
  test('has the labels and the cordon of before, whatever operators did', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(deed, reason), { maxLength: 12 }), async deeds => {
        const fixture = await start();
        const how = { actor: 'ada', claimedActor: 'ada@desk', isExact: true };
        for (const [each, reason] of deeds) {
          await fixture.clock.advance(1_000);
          const { directory } = fixture.requester;
          const decide = async (work: Promise<unknown>) =>
            fixture.finish(work).catch(error => assert.ok(error instanceof MusterError, error));
          const decision = { ...how, reason };
          if (each.do === 'label') await decide(directory.label('node-1', { ...decision, ...each }));
          if (each.do === 'cordon' || each.do === 'drain')
            await decide(directory[each.do]('node-1', { ...decision, ...each }));
          if (each.do === 'uncordon') await decide(directory.uncordon('node-1', decision));
          if (each.do === 'stops') {
            await fixture.kill();
            await fixture.start();
          }
          if (each.do === 'runs nothing')
            await fixture.ask('node-1', 'UpdateResources/v1', {
              NodeID: 'node-1',
              AvailableCapacity: {},
              QueueUsedCapacity: {},
              RunningExecutions: 0,
              ...fixture.senderOf('node-1'),
            });
          if (each.do === 'goes and comes back' || each.do === 'begins anew') {
            await fixture.delete('node-1');
            if (each.do === 'goes and comes back') await decide(directory.undelete('node-1', decision));
            await fixture.register('node-1');
            if (each.do === 'begins anew') await fixture.approve('node-1');
          }
        }
        await fixture.clock.advance(5_000);
        const before = givenIn(fixture);
        await loseAndRebuild(fixture);
        assert.deepEqual(givenIn(fixture), before);
        await fixture.register('node-1');
        assert.deepEqual(givenIn(fixture), before, 'it keeps them when it registers again');
      }),
      { numRuns: 60 },
    );
  });

  test('has no cordon for longer than that was meant to be', async () => {
    const fixture = await start();
    const { directory } = fixture.requester;
    await fixture.finish(directory.cordon('node-1', { reason: '', actor: 'ada', forMs: 600_000 }));
    await fixture.clock.advance(400_000);
    await loseAndRebuild(fixture);
    await fixture.clock.advance(150_000);
    assert.equal(fixture.requester.directory.get('node-1').Muster.Schedulable, false);
    await fixture.clock.advance(60_000);
    assert.equal(fixture.requester.directory.get('node-1').Muster.Schedulable, true);
  });
});

const told = (kind: ChangeEvent['kind'], data: object, time = at): ChangeEvent => ({
  kind,
  id: 'x',
  time,
  data: { node: 'node-1', previous: {}, current: {}, ...data },
});

test('the labels of a join code count for a node that came in with it, below those of operators', () => {
  const code = { code: 'code-1', labels: { rack: 'b7', site: 'fra' } };
  const joined = told('registered', { joinCode: 'code-1' });
  const labelled = told('labelled', { labels: { rack: 'b8', site: null }, actor: 'ada', reason: 'moved' });
  const origin = { Label: 'rack', Reason: 'moved', Actor: 'ada', At: at };
  assert.deepEqual(toldControlPlane([joined], code), { JoinCode: 'code-1', Labels: code.labels });
  assert.deepEqual(toldControlPlane([joined, labelled], code), {
    JoinCode: 'code-1',
    Labels: { rack: 'b8' },
    LabelOrigins: [origin],
  });
  // The event of its registration is not kept any more.
  assert.deepEqual(toldControlPlane([], code), { JoinCode: 'code-1', Labels: code.labels });
  const byHand = [told('deleted', {}), told('registered', {})];
  assert.deepEqual(toldControlPlane([joined, labelled, ...byHand], code), {});
  assert.deepEqual(toldControlPlane([joined, labelled, ...byHand, told('undeleted', {})], code), {});
});

test('what events claim that no requester has published is left out, or cut', async () => {
  const forged: [object, object][] = [
    [{ labels: { 'a b': 'x', rack: 7, ok: 'yes' } }, { ok: 'yes' }],
    [{ labels: 'rack' }, {}],
    [{ labels: null }, {}],
    [{ labels: { __proto__: 'x' } }, {}],
  ];
  for (const [data, expected] of forged)
    assert.deepEqual(toldControlPlane([told('labelled', data)], undefined).Labels ?? {}, expected);
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`l-${i}`, 'x']));
  const { Labels = {} } = toldControlPlane([told('labelled', { labels: many })], undefined);
  assert.equal(Object.keys(Labels).length, 64);
  for (const cordon of [null, 'x', { until: 'soon', drain: 'yes', deadline: 7 }]) {
    const { Cordon } = toldControlPlane([told('cordoned', { cordon, reason: 7, actor: {} })], undefined);
    assert.deepEqual(Cordon, { Reason: '', Actor: '', At: at });
  }
  assert.deepEqual(toldControlPlane([told('cordoned', {}, 'yesterday')], undefined), {});
  const texts = ['{', '7', '{"id":"node-2:1"}'].map(text => Buffer.from(text));
  const stream = {
    follow: async ({ filter }: { filter: string }, fn: (message: { data: Uint8Array }) => void) => {
      if (filter === eventSubject('node-1', 'labelled')) for (const data of texts) fn({ data });
      return { ready: Promise.resolve(), stop: () => undefined };
    },
  } as unknown as EventStream;
  assert.deepEqual(await readControlPlane(stream, 'node-1', [], undefined), {});
});

test('what was told of a node under its former ids counts, up to its renames, and not what others did there since', async () => {
  const events: { node: string; kind: string; data: object }[] = [
    { node: 'a', kind: 'registered', data: { current: { membership: 'APPROVED' } } },
    { node: 'a', kind: 'labelled', data: { labels: { rack: 'b7', site: 'fra' } } },
    { node: 'a', kind: 'renamed', data: { newId: 'b' } },
    { node: 'b', kind: 'renamed', data: { formerId: 'a' } },
    { node: 'a', kind: 'registered', data: { current: { membership: 'APPROVED' } } },
    { node: 'a', kind: 'labelled', data: { labels: { rack: 'other' } } },
    { node: 'b', kind: 'labelled', data: { labels: { site: 'ber' } } },
    { node: 'b', kind: 'renamed', data: { newId: 'c' } },
    { node: 'c', kind: 'renamed', data: { formerId: 'b' } },
    { node: 'c', kind: 'cordoned', data: { reason: 'disk swap' } },
  ];
  const stream: Pick<EventStream, 'follow'> = {
    follow: async ({ filter }, onMessage) => {
      for (const [index, { node, kind, data }] of events.entries()) {
        const subject = eventSubject(node, kind as ChangeEvent['kind']);
        if (subject !== filter) continue;
        const text = JSON.stringify({ id: `${node}:s1:${index + 1}`, time: at, data: { node, ...data } });
        onMessage({ subject, data: Buffer.from(text), sequence: index + 1, time: new Date(at) }, at);
      }
      return { ready: Promise.resolve(), stop: () => undefined };
    },
  };
  const { Labels, Cordon } = await readControlPlane(stream, 'c', [], undefined);
  assert.deepEqual([Labels, Cordon?.Reason], [{ rack: 'b7', site: 'ber' }, 'disk swap']);
  assert.deepEqual((await readControlPlane(stream, 'a', [], undefined)).Labels, { rack: 'other' });
});
