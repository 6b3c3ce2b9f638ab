// Tests what a requester says of operations about operators, listeners, join codes and bans, and that none is carried out twice.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { type OperationView, operationAnswerSchema } from '../../../agent/protocol/http-operations.ts';
import { encodePublicKey, fingerprint } from '../../../agent/protocol/nkey.ts';
import { newOperation } from '../../../agent/protocol/operation.ts';
import { validate } from '../../../agent/protocol/schema.ts';
import { clusterBucket } from '../../../agent/requester/cluster/cluster-bucket.ts';
import type { Directory } from '../../../agent/requester/directory/directory.ts';
import { Bans } from '../../../agent/requester/enrolment/bans.ts';
import type { Act } from '../../../agent/requester/events/requester-events.ts';
import { noteChange } from '../../../agent/requester/operations/note-change.ts';
import { findChanges } from '../../../agent/requester/operations/operation-changes.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { issuerKey } from '../../support/callout-questions.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { followSets } from '../follow-sets.ts';
import { RequesterFixture } from '../requester-fixture.ts';

async function begin() {
  const fixture = new RequesterFixture();
  fixture.connection = fixture.broker.connect();
  fixture.broker.connect().subscribe('$SYS.REQ.SERVER.PING.CONNZ', message => message.respond('{}'));
  const start = async () => {
    fixture.requester = fixture.newRequester(fixture.connection, {
      issuer: issuerKey,
      brokerAddresses: () => ({ servers: ['nats://head:4222'], pins: [], localOnly: true }),
    });
    await fixture.finish(fixture.requester.start());
  };
  await start();
  const operation = () => newOperation(fixture.clock.now(), randomUUID());
  const explain = async (id: string): Promise<OperationView> => {
    const view = await fixture.finish(fixture.requester.directory.explain(id));
    // It is what a client reads.
    assert.deepEqual(validate(operationAnswerSchema, { Operation: JSON.parse(JSON.stringify(view)) }), {
      Operation: view,
    });
    return view;
  };
  /** Returns what is said of an operation, in short. */
  const told = async (id: string) => {
    const { State, Changes } = await explain(id);
    return [
      State,
      ...Changes.map(({ Kind, Name, Actor, Later }) =>
        [Kind, Name, Actor, Later?.Kind, Later?.Actor, Later?.Operation].filter(Boolean).join(' '),
      ),
    ];
  };
  const by = (actor: string, id: string) => ({ actor, operation: id });
  const run = <T>(work: (directory: Directory) => Promise<T>) =>
    fixture.finish(work(fixture.requester.directory));
  return { fixture, operation, explain, told, by, run };
}

interface Sort {
  what: string;
  kinds: [made: string, revoked: string];
  make(directory: Directory, act: Act): Promise<unknown>;
  revoke(directory: Directory, act: Act): Promise<unknown>;
}

const sorts: Sort[] = [
  {
    what: 'an operator',
    kinds: ['operator_created', 'operator_revoked'],
    make: ({ operators }, act) => operators.create({ name: 'bob', readOnly: true }, act),
    revoke: ({ operators }, act) => operators.revoke('bob', act),
  },
  {
    what: 'a listener',
    kinds: ['listener_created', 'listener_revoked'],
    make: ({ listeners }, act) => listeners.create({ name: 'bob', fromOldest: false }, act),
    revoke: ({ listeners }, act) => listeners.revoke('bob', act),
  },
];
for (const { what, kinds, make, revoke } of sorts) {
  test(`an operation about ${what} is told, also after others of the same name, and is not carried out twice`, async () => {
    const { operation, told, by, run } = await begin();
    const [first, end, second] = [operation(), operation(), operation()];
    const [made, revoked] = kinds;
    await run(directory => make(directory, by('ann', first)));
    assert.deepEqual(await told(first), ['stands', `${made} bob ann`]);
    await assert.rejects(
      run(directory => make(directory, by('ann', first))),
      { code: 'conflict', message: /^this operation has made .* before/ },
    );
    await assert.rejects(
      run(directory => make(directory, by('ann', second))),
      { code: 'conflict', message: /already$/ },
    );
    assert.equal((await told(second))[0], 'refused');
    await run(directory => revoke(directory, by('eve', end)));
    assert.deepEqual(await told(first), ['overtaken', `${made} bob ${revoked} eve ${end}`]);
    assert.deepEqual(await told(end), ['stands', `${revoked} bob eve`]);
    await assert.rejects(
      run(directory => make(directory, by('ann', first))),
      { code: 'conflict' },
    );
    await run(directory => revoke(directory, by('eve', end)));
    await assert.rejects(
      run(directory => revoke(directory, by('eve', operation()))),
      { code: 'not_found' },
    );
    await run(directory => make(directory, by('kim', second)));
    // The one that was revoked is not the one of now.
    await run(directory => revoke(directory, by('eve', end)));
    assert.deepEqual(await told(second), ['stands', `${made} bob kim`]);
    assert.deepEqual(await told(end), ['overtaken', `${revoked} bob ${made} kim ${second}`]);
  });
}

test('a join code is made once by an operation, and revoked once', async () => {
  const { operation, told, by, run } = await begin();
  const order = { ExpiresInSeconds: 60, Uses: 1, Approve: false, Labels: {}, Network: '' };
  const [first, end] = [operation(), operation()];
  const { JoinCode } = await run(({ joinCodes }) => joinCodes.create(order, by('ann', first)));
  await assert.rejects(
    run(({ joinCodes }) => joinCodes.create(order, by('ann', first))),
    {
      code: 'conflict',
      message: `this operation has made the join code ${JoinCode.ID} before, and shows it no more`,
    },
  );
  assert.deepEqual(await told(first), ['stands', `join_code_created ${JoinCode.ID} ann`]);
  for (let n = 0; n < 2; n++) await run(({ joinCodes }) => joinCodes.revoke(JoinCode.ID, by('eve', end)));
  assert.deepEqual(await told(end), ['stands', `join_code_revoked ${JoinCode.ID} eve`]);
  assert.deepEqual(await told(first), [
    'overtaken',
    `join_code_created ${JoinCode.ID} ann join_code_revoked eve ${end}`,
  ]);
});

test('what is under way is told, and a lost answer is found out', async () => {
  const { fixture, operation, explain, told, by } = await begin();
  const id = operation();
  fixture.broker.storeFault = (doing, key) =>
    doing === 'put' && key === 'operator.bob' ? { fault: 'timeout', applied: true } : undefined;
  const making = fixture.requester.directory.operators.create({ name: 'bob', readOnly: true }, by('ann', id));
  const lost = assert.rejects(making, { code: 'unreachable' });
  const { State, UnderWay } = await explain(id);
  assert.deepEqual(
    [State, UnderWay],
    ['under_way', [{ NodeID: '', What: 'operator bob', Action: 'create' }]],
  );
  await fixture.finish(lost);
  assert.deepEqual(await told(id), ['stands', 'operator_created bob ann']);
});

test('a CA that was made and forgotten is told, and so is an older store that was confirmed', async () => {
  const broker = new FakeBroker(new FakeClock());
  const bucket = await (await broker.connect().storage()).bucket(clusterBucket);
  const pin = 'B'.repeat(43);
  const [made = '', end = '', confirmed = ''] = [1, 2, 3].map(ms => newOperation(new Date(ms), randomUUID()));
  const told = async (id: string) =>
    (await findChanges(bucket, id)).map(({ Kind, Name, Stands, Actor, Later }) =>
      [Kind, Name, Stands, Actor, Later?.Kind].join(' ').trim(),
    );
  await noteChange(bucket, `ca.${pin}`, 'ca_rotated', { actor: 'ann', operation: made });
  assert.deepEqual(await told(made), [`ca_rotated ${pin} true ann`]);
  await noteChange(bucket, `ca.${pin}`, 'ca_forgotten', { actor: 'eve', operation: end });
  assert.deepEqual(await told(made), [`ca_rotated ${pin} false  ca_forgotten`]);
  assert.deepEqual(await told(end), [`ca_forgotten ${pin} true eve`]);
  // A note of an earlier version has no operations.
  await bucket.put('recovery.confirmed', Buffer.from('{"actor":"bob"}'), 0);
  await noteChange(bucket, 'recovery.confirmed', 'store_confirmed', { actor: 'ann', operation: confirmed });
  assert.deepEqual(await told(confirmed), ['store_confirmed  true ann']);
});

test('a ban and its end are told, and a ban that came later stays', async () => {
  const broker = new FakeBroker(new FakeClock());
  const bucket = await (await broker.connect().storage()).bucket(clusterBucket);
  const bans = new Bans(bucket, silentLog);
  await followSets(broker, bucket, [bans.set]);
  const key = encodePublicKey(Buffer.alloc(32, 1));
  const ban = { id: 'node-1', actor: 'ann', reason: '', at: '2026-01-01T00:00:00Z' };
  const [first = '', end = '', second = ''] = [1, 2, 3].map(ms => newOperation(new Date(ms), randomUUID()));
  const told = async (id: string) =>
    (await findChanges(bucket, id)).map(
      ({ Kind, Name, Stands, Actor, Later }) =>
        `${Kind} ${Name === fingerprint(key)} ${Stands} ${Actor} ${Later?.Kind}`,
    );
  await bans.add(key, ban, first);
  assert.deepEqual(await told(first), ['banned true true ann undefined']);
  await bans.remove(key, { actor: 'eve', operation: end });
  assert.deepEqual(await told(first), ['banned true false  unbanned']);
  assert.deepEqual(await told(end), ['unbanned true true eve undefined']);
  await bans.add(key, ban, second);
  assert.deepEqual(await told(end), ['unbanned true false  banned']);
  assert.equal(await bans.remove(key, { actor: 'eve', operation: end }), false);
  assert.ok(bans.of(key));
});
