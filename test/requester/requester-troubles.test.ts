// Tests what a requester says first in its status, and what it answers to a decision that its store does not carry out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requesterTroubles } from '../../agent/requester/status/requester-troubles.ts';
import { BrokerError, type ConnectionState } from '../../agent/transport/port.ts';
import { RequesterFixture } from './requester-fixture.ts';

const codes = ({ requester }: RequesterFixture) => requester.status().troubles?.map(({ code }) => code);

/** The parts of an error that an operator sees. */
const shown = (work: Promise<void>) =>
  work.then(
    () => undefined,
    ({ code, message, hint }) => ({ code, message, hint }),
  );

test('a full disk is a trouble within one renewal of the lease, and is over with the next write', async () => {
  const fixture = await RequesterFixture.started();
  await fixture.live(10_000, []);
  assert.equal(codes(fixture), undefined);
  fixture.broker.storeFault = operation => (operation === 'put' ? { fault: 'no_space' } : undefined);
  await fixture.live(6_000, []);
  assert.deepEqual(codes(fixture), ['store_full']);
  const [trouble] = fixture.requester.status().troubles ?? [];
  assert.match(trouble?.text ?? '', /^the disk of the node info store is full: /);
  assert.equal(trouble?.hint, 'make room on the disk of the broker');
  fixture.broker.storeFault = undefined;
  await fixture.live(6_000, []);
  assert.equal(codes(fixture), undefined);
});

test('an event stream that does not answer is called so, and not the node info store', async () => {
  const fixture = await RequesterFixture.started();
  fixture.broker.storeFault = operation => (operation === 'publish' ? { fault: 'timeout' } : undefined);
  await fixture.register('node-1');
  await fixture.live(6_000, []);
  const [trouble] = fixture.requester.status().troubles ?? [];
  assert.match(trouble?.text ?? '', /^the event stream does not answer: /);
});

test('a requester with a broker of its own names the folder on the full disk', async () => {
  const fixture = new RequesterFixture();
  const requester = fixture.newRequester(fixture.connection, { brokerFolder: '/srv/broker' });
  fixture.requester = requester;
  await fixture.finish(requester.start());
  await fixture.register('node-1');
  fixture.broker.failNext('put', { fault: 'no_space' });
  const decision = { reason: '', actor: 'ann' };
  const error = await shown(fixture.finish(requester.directory.approve('node-1', decision)));
  assert.deepEqual(error, {
    code: 'failed',
    message:
      'the decision about node node-1 was not stored: the disk of the node info store is full (put node-1: no_space (planned))',
    hint: 'make room on the disk of /srv/broker',
  });
  assert.match(requester.status().troubles?.[0]?.hint ?? '', /\/srv\/broker$/);
  await fixture.finish(requester.directory.approve('node-1', decision));
  assert.equal(codes(fixture), undefined);
});

test('a decision that the store does not answer may stand, and the error says how to find out', async () => {
  const fixture = await RequesterFixture.started();
  await fixture.register('node-1');
  let isStored = false;
  fixture.broker.storeFault = (operation, key) => {
    if (key !== 'node-1' || (operation === 'get' && !isStored)) return undefined;
    isStored = true;
    return { fault: 'timeout', applied: true };
  };
  const decided = fixture.requester.directory.approve('node-1', { reason: '', actor: 'ann' });
  const error = await shown(fixture.finish(decided));
  fixture.broker.storeFault = undefined;
  assert.equal(error?.code, 'unreachable');
  assert.match(
    error?.message ?? '',
    /^the decision about node node-1 may stand or not: the node info store does not answer \(/,
  );
  assert.equal(error?.hint, 'find out with: muster node describe node-1');
  await fixture.live(1_000, []);
  assert.equal(fixture.requester.directory.get('node-1').Membership, 'APPROVED');
});

test('a decision does not stand when the store did not answer before it was sent, and the error says so', async () => {
  const fixture = await RequesterFixture.started();
  await fixture.register('node-1');
  fixture.broker.failNext('get', { fault: 'timeout' });
  const decided = fixture.requester.directory.approve('node-1', { reason: '', actor: 'ann' });
  const error = await shown(fixture.finish(decided));
  assert.equal(error?.code, 'failed');
  const text = /^the decision about node node-1 was not stored: the node info store does not answer \(/;
  assert.match(error?.message ?? '', text);
  assert.equal(error?.hint, 'decide again in a moment; muster status says what is wrong');
  await fixture.live(1_000, []);
  assert.equal(fixture.requester.directory.get('node-1').Membership, 'PENDING');
});

test('while the broker hangs, the trouble that the watch found is shown, and not also that it cannot be reached', async () => {
  const fixture = new RequesterFixture();
  const ownBroker = {
    url: 'nats://127.0.0.1:4222',
    problem: 'the broker has not answered for 12 s',
    restarts: { count: 1 },
  };
  fixture.requester = fixture.newRequester(fixture.connection, { brokerFolder: '/srv/broker', ownBroker });
  fixture.broker.stop();
  await fixture.clock.advance(20_000);
  assert.deepEqual(codes(fixture), ['broker_failing']);
});

test('a requester that a broker of others refuses names the key that is missing there', () => {
  const hintOf = (loginKey: string | undefined, fault: 'unauthorized' | 'unreachable' | 'tls') => {
    const connection = { kind: 'disconnected', fault, reason: 'no', since: 0 } as const;
    const well = {
      brokerFolder: undefined,
      brokerProblem: undefined,
      storeFailure: undefined,
      lostRecords: 0,
    };
    const rest = { degradedReason: undefined, stalled: undefined };
    return requesterTroubles({ connection, now: 1_000, loginKey, ...well, ...rest })[0]?.hint ?? '';
  };
  assert.match(hintOf('UABC', 'unauthorized'), /^add UABC, the key of this requester, to broker\.requesters/);
  assert.match(hintOf('UABC', 'tls'), /muster broker take-keys here$/);
  for (const hint of [hintOf('UABC', 'unreachable'), hintOf(undefined, 'unauthorized')])
    assert.doesNotMatch(hint, /key of this requester/);
});

test('an interrupted move says where it is completed, and not what follows from it', () => {
  const storeFailure = {
    part: 'the node info store',
    error: new BrokerError('timeout', 'it moves'),
  } as const;
  const troubles = requesterTroubles({
    connection: { kind: 'connected' } as ConnectionState,
    now: 0,
    brokerFolder: undefined,
    brokerProblem: undefined,
    storeFailure,
    silentMover: { requester: 'node-0', host: 'm1', pid: 7, since: '2026-01-01T00:00:00Z' },
    lostRecords: 0,
    degradedReason: undefined,
    stalled: undefined,
  });
  assert.deepEqual(
    troubles.map(({ code }) => code),
    ['move_interrupted'],
  );
  assert.match(troubles[0]?.hint ?? '', /again on m1/);
});

test('a lost broker is one trouble, whatever follows from it', async () => {
  const fixture = await RequesterFixture.started();
  await fixture.register('node-1');
  fixture.broker.stop();
  await fixture.clock.advance(600_000);
  assert.deepEqual(codes(fixture), ['broker_away']);
  fixture.broker.start();
  await fixture.live(60_000, ['node-1']);
  assert.equal(codes(fixture), undefined);
});

test('a requester that cannot tell who is silent says so', async () => {
  const fixture = await RequesterFixture.started();
  fixture.broker.deliver = subject => !subject.startsWith('requester.echo.');
  await fixture.clock.advance(60_000);
  assert.deepEqual(codes(fixture), ['degraded']);
});

test('a store that cannot be opened at the start is a trouble until it can', async () => {
  const fixture = new RequesterFixture();
  fixture.broker.storeFault = () => ({ fault: 'no_space' });
  const started = fixture.requester.start();
  await fixture.clock.advance(1_000);
  assert.equal(fixture.requester.status().state, 'starting');
  assert.deepEqual(codes(fixture), ['store_full']);
  fixture.broker.storeFault = undefined;
  await fixture.finish(started);
  assert.equal(codes(fixture), undefined);
});

test('while verdicts wait, the status says on how many nodes, until when, and why', async () => {
  const fixture = await RequesterFixture.started();
  await fixture.register('node-1');
  await fixture.heartbeat('node-1');
  await fixture.live(5_000, []);
  assert.equal(fixture.requester.status().verdictsWait, undefined);
  fixture.connection.drop();
  fixture.connection.regain();
  await fixture.live(5_000, []);
  const { state, reason, troubles = [], verdictsWait } = fixture.requester.status();
  assert.deepEqual(codes(fixture), ['verdicts_wait']);
  assert.equal(state, 'degraded');
  assert.equal(reason, troubles[0]?.text);
  assert.match(
    reason ?? '',
    /^the verdict on 1 silent node waits until \S+Z: the connection to the broker was lost$/,
  );
  assert.deepEqual([verdictsWait?.nodes, verdictsWait?.reason], [1, 'the connection to the broker was lost']);
  await fixture.heartbeat('node-1');
  await fixture.live(5_000, []);
  assert.equal(codes(fixture), undefined);
});

test('a decision stands although its event cannot be published, and the event is told once when it can', async () => {
  const fixture = await RequesterFixture.started();
  await fixture.register('node-1');
  fixture.broker.storeFault = operation => (operation === 'publish' ? { fault: 'timeout' } : undefined);
  await fixture.finish(fixture.requester.directory.approve('node-1', { reason: '', actor: 'ann' }));
  assert.equal(fixture.requester.directory.get('node-1').Membership, 'APPROVED');
  await fixture.live(6_000, []);
  const approvals = () => fixture.events().filter(({ type }) => type === 'org.muster.node.approved').length;
  assert.equal(approvals(), 0);
  fixture.broker.storeFault = undefined;
  await fixture.live(30_000, []);
  assert.equal(approvals(), 1);
});
