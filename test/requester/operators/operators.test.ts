// Tests the operators' tokens over a store in memory: the first token, its file, making, revoking, and a store that fails.
import assert from 'node:assert/strict';
import { chmod, readFile, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { operatorToken } from '../../../agent/protocol/operator-token.ts';
import { firstTokenFile } from '../../../agent/requester/operators/first-token-file.ts';
import { Operators } from '../../../agent/requester/operators/operators.ts';
import { newCounters } from '../../../agent/requester/status/counters.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { recordLog } from '../../support/log-lines.ts';
import { newFolder } from '../../support/temporary.ts';
import { followSets } from '../follow-sets.ts';

const act = { actor: 'local', claimedActor: 'ada@desk' };

async function begin() {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const bucket = await (await broker.connect().storage()).bucket({ name: 'muster_v1', history: 1 });
  const path = join(await newFolder(), 'operator.token');
  const { log, lines } = recordLog();
  const events: object[] = [];
  const counters = newCounters();
  const open = async (requesterId = 'node-0', file = path) => {
    const operators = new Operators({
      bucket,
      requesterId,
      clock,
      log,
      counters,
      firstToken: firstTokenFile(file),
      events: { announce: (kind, data) => void events.push({ kind, ...data }) },
    });
    await followSets(broker, bucket, operators.sets);
    await operators.open();
    return operators;
  };
  const token = async (file = path) => (await readFile(file, 'utf8')).trim();
  return { clock, broker, bucket, path, lines, events, counters, open, token };
}

test('the first start makes a token that only its owner can read, and the next start keeps it', async () => {
  const { path, lines, open, token, bucket } = await begin();
  const first = await open();
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const made = await token();
  assert.deepEqual(first.check(made), {
    kind: 'valid',
    caller: { name: 'local', readOnly: false, expires: undefined },
  });
  const again = await open();
  assert.equal(await token(), made);
  assert.equal(again.check(made).kind, 'valid');
  assert.deepEqual(
    lines.map(({ level, message }) => `${level} ${message}`),
    ["info the operator's token of this machine was made"],
  );
  const stored = Buffer.from((await bucket.get('operator.local'))?.value ?? []).toString();
  assert.ok(stored.includes('"hash":"') && !stored.includes(made), 'only the hash is stored');
  assert.ok(!JSON.stringify(lines).includes(made));
});

const losses: [what: string, lose: (path: string) => Promise<void>, why: RegExp][] = [
  ['is lost', unlink, /^there is no file$/],
  [
    'was replaced',
    path => writeFile(path, operatorToken('local', Buffer.alloc(32, 7))),
    /another token than the store/,
  ],
  ['was torn', path => writeFile(path, 'mop_lo'), /another token than the store/],
  ['was open to others', path => chmod(path, 0o644), /^others may read it$/],
  [
    'is a link',
    async path => {
      await writeFile(`${path}.x`, await readFile(path));
      await unlink(path);
      await symlink(`${path}.x`, path);
    },
    /link/,
  ],
];
for (const [what, lose, why] of losses) {
  test(`a file of the first token that ${what} is made anew, the old token is void, and the log says so`, async () => {
    const { path, lines, open, token } = await begin();
    await open();
    const old = await token();
    await lose(path);
    const operators = await open();
    assert.equal(operators.check(old).kind, 'unknown');
    assert.equal(operators.check(await token()).kind, 'valid');
    const info = await stat(path);
    assert.equal(info.mode & 0o777, 0o600);
    const warning = lines.at(-1);
    assert.equal(warning?.level, 'warn');
    assert.match(warning?.message ?? '', /made anew; the old one is void/);
    assert.match(String(warning?.fields.why), why);
  });
}

test('a token lives until it expires or is revoked, also over a restart, and events tell who did it', async () => {
  const { clock, events, counters, open } = await begin();
  const operators = await open();
  const ada = await operators.create({ name: 'ada', readOnly: false }, act);
  const bob = await operators.create({ name: 'bob', readOnly: true, validMs: 60_000 }, act);
  await assert.rejects(operators.create({ name: 'ada', readOnly: true }, act), { code: 'conflict' });
  await assert.rejects(operators.create({ name: 'local', readOnly: true }, act), { code: 'conflict' });
  assert.deepEqual(operators.check(bob), {
    kind: 'valid',
    caller: { name: 'bob', readOnly: true, expires: '2026-01-01T00:01:00.000Z' },
  });
  await clock.advance(59_999);
  assert.equal(operators.check(bob).kind, 'valid');
  await clock.advance(1);
  for (const each of [operators, await open()]) {
    assert.equal(each.check(bob).kind, 'expired');
    assert.equal(each.check(ada).kind, 'valid');
  }
  assert.equal(counters.refusedTokens, 2);
  await operators.revoke('ada', act);
  await assert.rejects(operators.revoke('ada', act), { code: 'not_found' });
  for (const each of [operators, await open()]) assert.equal(each.check(ada).kind, 'unknown');
  // The name is free again, and the old token stays void.
  const next = await operators.create({ name: 'ada', readOnly: false }, act);
  assert.deepEqual([operators.check(ada).kind, operators.check(next).kind], ['unknown', 'valid']);
  assert.deepEqual(
    events.map(event => JSON.stringify(event)),
    [
      '{"kind":"operator_created","actor":"local","claimedActor":"ada@desk","operator":"ada","readOnly":false}',
      `{"kind":"operator_created","actor":"local","claimedActor":"ada@desk","operator":"bob","readOnly":true,"expires":"${operators.list().find(({ Name }) => Name === 'bob')?.Expires}"}`,
      '{"kind":"operator_revoked","actor":"local","claimedActor":"ada@desk","operator":"ada"}',
      '{"kind":"operator_created","actor":"local","claimedActor":"ada@desk","operator":"ada","readOnly":false}',
    ],
  );
});

test('revoking the token of the machine makes another one at once, so nobody is locked out', async () => {
  const { open, token } = await begin();
  const operators = await open();
  const old = await token();
  await operators.revoke('local', act);
  const made = await token();
  assert.notEqual(made, old);
  assert.deepEqual([operators.check(old).kind, operators.check(made).kind], ['unknown', 'valid']);
});

test('a store that fails lets no token in that was not stored, and none stay that was revoked', async () => {
  const { broker, open } = await begin();
  const operators = await open();
  const ada = await operators.create({ name: 'ada', readOnly: false }, act);
  broker.storeFault = operation =>
    operation === 'put' || operation === 'purge' ? { fault: 'no_space' } : undefined;
  await assert.rejects(operators.create({ name: 'bob', readOnly: false }, act), {
    code: 'failed',
    message: /^the token of operator bob was not stored: the disk of the cluster store is full/,
  });
  assert.deepEqual(
    operators.list().map(({ Name }) => Name),
    ['ada', 'local'],
  );
  await assert.rejects(operators.revoke('ada', act), {
    code: 'failed',
    message: /may be valid again after a restart of the requester/,
  });
  assert.equal(operators.check(ada).kind, 'unknown', 'it is void at once');
  broker.storeFault = undefined;
  await operators.revoke('ada', act);
  assert.equal((await open()).check(ada).kind, 'unknown');
});

test('a store that permits nothing has stored nothing, and says so', async () => {
  const { broker, open } = await begin();
  const operators = await open();
  await operators.create({ name: 'ada', readOnly: false }, act);
  broker.storeFault = operation =>
    operation === 'put' || operation === 'purge' ? { fault: 'not_permitted' } : undefined;
  await assert.rejects(operators.create({ name: 'bob', readOnly: false }, act), { code: 'failed' });
  await assert.rejects(operators.revoke('ada', act), { code: 'failed' });
});

test('the tokens are written again into a store that was lost', async () => {
  const { broker, open, token } = await begin();
  const operators = await open();
  const ada = await operators.create({ name: 'ada', readOnly: true }, act);
  broker.buckets.get('muster_v1')?.entries.clear();
  await operators.restore();
  const later = await open();
  assert.deepEqual([later.check(ada).kind, later.check(await token()).kind], ['valid', 'valid']);
});

test('a record that cannot be read lets nobody in, and does not stop the start', async () => {
  const { bucket, lines, open } = await begin();
  await bucket.put('operator.eve', Buffer.from('{"hash":"short","readOnly":false}'), 0);
  const operators = await open();
  assert.equal(operators.check(operatorToken('eve', Buffer.alloc(32))).kind, 'unknown');
  assert.ok(lines.some(({ message }) => /cannot be read/.test(message)));
});

/** Lets the file system and the broker work until `isDone`. */
async function until(clock: FakeClock, what: string, isDone: () => Promise<boolean>): Promise<void> {
  await eventually(what, async () => {
    await clock.settle();
    return isDone();
  });
}

test('two requesters each keep a token of their own machine, over their restarts, and know that of the other', async () => {
  const { open, token, path, lines } = await begin();
  const other = `${path}.1`;
  const first = await open();
  const second = await open('node-1', other);
  const [one, two] = [await token(), await token(other)];
  assert.deepEqual(
    first
      .list()
      .map(({ Name }) => Name)
      .sort(),
    ['local', 'local-node-1'],
  );
  for (const [id, file] of [
    ['node-1', other],
    ['node-0', path],
    ['node-1', other],
  ] as const) {
    const operators = await open(id, file);
    for (const each of [operators, first, second])
      assert.deepEqual([each.check(one).kind, each.check(two).kind], ['valid', 'valid']);
  }
  assert.deepEqual([first.knowsOtherRequesters, second.knowsOtherRequesters], [true, true]);
  assert.deepEqual(
    lines.filter(({ level }) => level === 'warn'),
    [],
  );
});

test('two requesters that make their first tokens at the same time do not take the one of the other', async () => {
  const { open, token, path } = await begin();
  const other = `${path}.1`;
  const both = await Promise.all([open(), open('node-1', other)]);
  for (const each of both)
    for (const text of [await token(), await token(other)]) assert.equal(each.check(text).kind, 'valid');
});

test('the token in a store of an older version stays, and a second requester makes its own beside it', async () => {
  const { bucket, open, token, path } = await begin();
  await open();
  const made = await token();
  const entry = await bucket.get('operator.local');
  const { requester, ...older } = JSON.parse(Buffer.from(entry?.value ?? []).toString());
  assert.equal(requester, 'node-0');
  await bucket.put('operator.local', Buffer.from(JSON.stringify(older)), entry?.revision ?? 0);
  const first = await open();
  const second = await open('node-1', `${path}.1`);
  assert.deepEqual([first.check(made).kind, second.check(made).kind], ['valid', 'valid']);
  assert.equal(await token(), made);
});

test('a token of a machine that is revoked at another requester is void, and made anew by its own, also after a restart', async () => {
  const { clock, open, token, path } = await begin();
  const other = `${path}.1`;
  const first = await open();
  const second = await open('node-1', other);
  const old = await token(other);
  await first.revoke('local-node-1', act);
  await until(clock, 'another token', async () => (await token(other)) !== old);
  await until(clock, 'it counts', async () => first.check(await token(other)).kind === 'valid');
  for (const each of [first, second]) assert.equal(each.check(old).kind, 'unknown');
  // A requester whose token is revoked while it does not run finds that at its start.
  const file = firstTokenFile(`${path}.2`);
  const made = operatorToken('local-node-2', Buffer.alloc(32, 5));
  await file.write(made);
  await open('node-2', file.path);
  assert.equal(first.check(made).kind, 'valid');
  await writeFile(`${path}.3`, made, { mode: 0o600 });
  await first.revoke('local-node-2', act);
  await until(clock, 'another token', async () => (await token(file.path)) !== made);
  await open('node-2', `${path}.3`);
  assert.equal(first.check(made).kind, 'unknown');
});

test('a token of a machine that another requester has replaced by its own is made anew under another name', async () => {
  const { clock, bucket, open, token } = await begin();
  const operators = await open();
  const old = await token();
  const entry = await bucket.get('operator.local');
  const record = JSON.parse(Buffer.from(entry?.value ?? []).toString());
  const theirs = { ...record, requester: 'node-1', hash: Buffer.alloc(32, 3).toString('base64url') };
  await bucket.put('operator.local', Buffer.from(JSON.stringify(theirs)), entry?.revision ?? 0);
  await until(clock, 'another token', async () => (await token()) !== old);
  await until(clock, 'it counts', async () => operators.check(await token()).kind === 'valid');
  assert.deepEqual(
    operators
      .list()
      .map(({ Name }) => Name)
      .sort(),
    ['local', 'local-node-0'],
  );
});

test('two operators who make or revoke one name at two requesters at once get one token, and a plain refusal', async () => {
  const { clock, open, path } = await begin();
  const [first, second] = [await open(), await open('node-1', `${path}.1`)];
  const made = await Promise.allSettled(
    [first, second].map(each => each.create({ name: 'ada', readOnly: false }, act)),
  );
  const tokens = made.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []));
  const refusals = made.flatMap(each => (each.status === 'rejected' ? [each.reason] : []));
  assert.equal(tokens.length, 1);
  assert.match(refusals[0]?.message, /^there is an operator ada already$/);
  await clock.settle();
  for (const each of [first, second]) assert.equal(each.check(tokens[0] ?? '').kind, 'valid');
  await Promise.all([first.revoke('ada', act), second.revoke('ada', act)]);
  await clock.settle();
  for (const each of [first, second]) assert.equal(each.check(tokens[0] ?? '').kind, 'unknown');
  await assert.rejects(first.create({ name: 'local-desk', readOnly: false }, act), { code: 'conflict' });
});
