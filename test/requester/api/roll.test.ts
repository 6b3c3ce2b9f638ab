// Tests the live roll over real HTTP: what pages get, what changes, and pages that do not read or may not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MusterError } from '../../../agent/system/errors.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeDirectory, type FakeNode } from '../../support/fake-directory.ts';
import { tokens } from '../../support/fake-operators.ts';
import { type RollReading, readRoll } from '../../support/read-roll.ts';
import { computeInfo, record, requesterNode } from '../samples.ts';
import { call, cluster, node, serve } from './api-fixture.ts';

const path = '/api/v1/orchestrator/roll';
const quick = { rollIntervalMs: 10 };

const liveness = (lastSeenAt: number) => ({
  id: '',
  lastSeen: 1,
  lastSeenAt,
  healthySince: 1,
  silentSince: undefined,
  left: false,
  announced: 'HEALTHY' as const,
  sequence: 0,
  session: null,
  queue: undefined,
  older: undefined,
  newer: undefined,
});

function changed(directory: FakeDirectory, id: string, more: Partial<FakeNode>): void {
  const before = directory.nodes.get(id);
  assert.ok(before);
  directory.nodes.set(id, { ...before, ...more });
}

test('a page gets the roll, and then what changes', async t => {
  const directory = cluster();
  const api = await serve(t, directory, quick);
  const page = await readRoll(t, api);
  assert.equal(page.response.headers['content-type'], 'text/event-stream; charset=utf-8');
  assert.equal(page.response.headers['cache-control'], 'no-store');
  await eventually('all rows came', () => page.names.includes('following'));
  assert.deepEqual(page.names, ['roll', 'nodes', 'ready', 'following']);
  assert.deepEqual([...page.rows.keys()].sort(), ['node-0', 'node-1', 'node-2', 'node-3']);
  const { head } = page;
  assert.ok(head);
  assert.deepEqual([head.requester, head.clusterId, head.state, head.nodes], ['node-0', 'c-1', 'ready', 4]);

  await directory.approve('node-1', { actor: 'ann', reason: '' });
  await eventually('the decision came', () => page.rows.get('node-1')?.approval === 'APPROVED');
  assert.equal(page.rows.get('node-2')?.approval, 'PENDING');

  changed(directory, 'node-2', { health: 'UNHEALTHY', silence: 60_000 });
  await eventually('the silence came', () => page.rows.get('node-2')?.status === 'UNHEALTHY');
  const [note] = page.rows.get('node-2')?.notes ?? [];
  assert.equal(note?.what, 'silent');

  directory.nodes.set('node-4', node('node-4'));
  await eventually('the new node came', () => page.rows.get('node-4')?.approval === 'APPROVED');
  await directory.delete('node-3', { actor: 'ann', reason: '' });
  await eventually('the deleted node went', () => !page.rows.has('node-3'));

  directory.degraded = 'the store has no quorum';
  await eventually('the state came', () => page.states.at(-1) === 'degraded');
});

test('figures and signs of life come without the rest of the row', async t => {
  const directory = cluster();
  changed(directory, 'node-1', { liveness: liveness(1_000) });
  const api = await serve(t, directory, quick);
  const page = await readRoll(t, api);
  await eventually('all rows came', () => page.names.includes('following'));
  assert.equal(page.rows.get('node-1')?.heardAt, 1_000);
  changed(directory, 'node-1', {
    liveness: liveness(2_000),
    resources: {
      available: { CPU: 2, Memory: 1e9 },
      queued: {},
      usage: { CPU: 1.5, Memory: 3e9, Disk: 4e9, Load: 2 },
      at: new Date(2_000),
      protocol: '',
    },
  });
  await eventually('both came', () => page.rows.get('node-1')?.heardAt === 2_000);
  // The protocol of the report is a part of the row, so the first report brings the row.
  const before = page.names.length;
  const { resources } = directory.nodes.get('node-1') ?? {};
  assert.ok(resources);
  changed(directory, 'node-1', {
    liveness: liveness(3_000),
    resources: { ...resources, available: { CPU: 1 }, at: new Date(3_000) },
  });
  await eventually('both came', () => page.rows.get('node-1')?.heardAt === 3_000);
  assert.deepEqual(page.names.slice(before), ['figures', 'heard']);
  assert.deepEqual(page.rows.get('node-1')?.available, { cpu: 1, memory: 0, disk: 0, gpu: 0 });
  assert.deepEqual(page.rows.get('node-1')?.used, { cpu: 1.5, memory: 3e9, disk: 4e9, load: 2 });
});

test('a page that comes later gets what the others have, compressed if it takes that', async t => {
  const directory = cluster();
  const api = await serve(t, directory, quick);
  const first = await readRoll(t, api);
  await eventually('all rows came', () => first.names.includes('ready'));
  await directory.reject('node-1', { actor: 'ann', reason: 'it is not ours' });
  await eventually('the decision came', () => first.rows.get('node-1')?.approval === 'REJECTED');
  const later = await readRoll(t, api, { isPacked: true });
  assert.equal(later.response.headers['content-encoding'], 'gzip');
  await eventually('it came to the later page', () => later.rows.get('node-1')?.approval === 'REJECTED');
  await directory.approve('node-2', { actor: 'ann', reason: '' });
  await eventually('both have it', () =>
    [first, later].every(page => page.rows.get('node-2')?.approval === 'APPROVED'),
  );
  assert.deepEqual([...later.rows].sort(), [...first.rows].sort());
  assert.equal(later.rows.get('node-1')?.decision?.reason, 'it is not ours');
});

test('many rows come in events of some 64 KiB, all of them once', async t => {
  const nodes = Array.from({ length: 500 }, (_, at) =>
    node(`node-${at}`, { labels: { ü: 'ß'.repeat(100) } }),
  );
  const api = await serve(t, new FakeDirectory(requesterNode(), nodes), quick);
  const page = await readRoll(t, api);
  await eventually('all rows came', () => page.names.includes('ready'));
  assert.equal(page.rows.size, 500);
  const events = page.names.filter(name => name === 'nodes').length;
  assert.ok(events >= page.length / 65_536 && events > 5, `${events} events of ${page.length} characters`);
});

test('a stopped page is cut off, others go on, and it may come again', async t => {
  const directory = cluster();
  const api = await serve(t, directory, { ...quick, maxWaitingBytes: 100_000 });
  const stopped = await readRoll(t, api);
  const other = await readRoll(t, api);
  await eventually('all rows came', () => [stopped, other].every(page => page.names.includes('ready')));
  stopped.response.pause();
  const before = directory.nodes.get('node-1')?.state;
  assert.ok(before);
  // More than may wait, and than the two systems take.
  const rounds = 30;
  const sent = (round: number) => {
    const labels = { round: String(round), text: 'x'.repeat(1_000_000) };
    changed(directory, 'node-1', { state: { ...before, Info: computeInfo('node-1', labels) } });
  };
  const has = (page: RollReading, round: number) =>
    page.rows.get('node-1')?.labels.find(({ key }) => key === 'round')?.value === String(round);
  for (let round = 1; round <= rounds; round++) {
    sent(round);
    await eventually('the other page has it', () => has(other, round));
  }
  stopped.response.resume();
  await eventually('its connection is closed', () => stopped.isClosed);
  assert.ok(stopped.length < other.length);
  const again = await readRoll(t, api);
  await eventually('it has what it missed', () => has(again, rounds));
});

for (const [name, limit] of [
  ['that reads nothing of a long roll', { stopTimeoutMs: 50 }],
  ['that has not read a long roll in time, however often it reads something,', { wholeTimeoutMs: 50 }],
] as const)
  test(`a page ${name} is cut off`, async t => {
    const text = 'x'.repeat(1_000);
    const labels = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`label-${at}`, text]));
    const nodes = Array.from({ length: 200 }, (_, at) => node(`node-${at}`, { labels }));
    const directory = new FakeDirectory(requesterNode(), nodes);
    const limits = { stopTimeoutMs: 3_600_000, wholeTimeoutMs: 3_600_000, ...limit };
    const api = await serve(t, directory, { ...quick, ...limits, maxPages: 1 });
    const stopped = await readRoll(t, api);
    stopped.response.pause();
    await eventually('another page has its place', async () => {
      const page = await readRoll(t, api);
      page.response.destroy();
      return page.response.statusCode === 200;
    });
    stopped.response.resume();
    await eventually('its connection is closed', () => stopped.isClosed);
    assert.ok(!stopped.names.includes('ready'));
  });

test('no more than maxPages pages are open at once', async t => {
  const api = await serve(t, cluster(), { ...quick, maxPages: 1 });
  const first = await readRoll(t, api);
  assert.equal((await call(api, path)).status, 429);
  first.response.destroy();
  await eventually('there is room again', async () => {
    const page = await readRoll(t, api);
    return page.response.statusCode === 200;
  });
});

test('the head says who reads, and a token that is not valid is refused with a sentence', async t => {
  const api = await serve(t, cluster(), quick);
  const headOf = async (token: string) => {
    const page = await readRoll(t, api, { token });
    await eventually('the head came', () => page.head !== undefined);
    return [page.head?.operator, page.head?.mayDecide];
  };
  assert.deepEqual(await headOf(''), [null, false]);
  assert.deepEqual(await headOf(tokens.reader), ['reader', false]);
  assert.deepEqual(await headOf(tokens.tester), ['tester', true]);
  const wrong = await call(api, path, { token: `${tokens.tester}x` });
  assert.equal(wrong.status, 401);
  assert.match(wrong.text, /no operator's token that the requester knows/);
  const former = await call(api, path, { token: tokens.former });
  assert.match(former.text, /the token of operator former expired/);
  const closed = await serve(t, cluster(), { ...quick, openReads: false });
  assert.equal((await call(closed, path)).status, 401);
});

test('a page whose token is revoked gets nothing more', async t => {
  const directory = cluster();
  const api = await serve(t, directory, quick);
  const page = await readRoll(t, api, { token: tokens.tester });
  const open = await readRoll(t, api);
  await eventually('all rows came', () => [page, open].every(each => each.names.includes('ready')));
  directory.operators.records.delete('tester');
  await directory.approve('node-1', { actor: 'ann', reason: '' });
  await eventually('the open page has it', () => open.rows.get('node-1')?.approval === 'APPROVED');
  await eventually('the other one is closed', () => page.isClosed);
  assert.equal(page.rows.get('node-1')?.approval, 'PENDING');
});

test('a requester that stops or starts ends the pages, and says why to those that ask', async t => {
  const directory = cluster();
  const api = await serve(t, directory, quick);
  const page = await readRoll(t, api);
  await eventually('all rows came', () => page.names.includes('ready'));
  directory.failure = new MusterError('unreachable', 'the requester is stopping');
  await eventually('the page is ended', () => page.isClosed);
  const answer = await call(api, path);
  assert.equal(answer.status, 503);
  assert.match(answer.text, /the requester is stopping/);
  directory.failure = undefined;
  const again = await readRoll(t, api);
  await eventually('all rows came again', () => again.names.includes('ready'));
});

test('a quiet roll has signs of life', async t => {
  const api = await serve(t, cluster(), { ...quick, signOfLifeMs: 20 });
  const page = await readRoll(t, api);
  await eventually('some came', () => page.comments >= 3);
  assert.deepEqual(page.names, ['roll', 'nodes', 'ready', 'following']);
});

test('new events come to all pages by one reading of the stream, which ends with the last page', async t => {
  const directory = cluster();
  const api = await serve(t, directory, quick);
  const pages = [await readRoll(t, api), await readRoll(t, api)];
  await eventually('both are told', () => pages.every(({ names }) => names.includes('following')));
  assert.equal(directory.followers.size, 1);
  const emit = (text: string) => {
    directory.events.push({ node: 'node-1', time: new Date(), text });
    directory.emit('node-1', text);
  };
  emit('{"id":"node-1:1"}');
  emit('no JSON');
  emit('{"id":"\\u2028\\n\\n"}');
  await eventually('all came', () => pages.every(({ told }) => told.length === 2));
  for (const { told } of pages)
    assert.deepEqual(told, [
      { id: 'node-1:1', cursor: 'fake-1' },
      { id: '\u2028\n\n', cursor: 'fake-3' },
    ]);
  for (const { response } of pages) response.destroy();
  await eventually('the stream is let go', () => directory.followers.size === 0);
});

test('whatever a node says is one line of JSON, and comes as it was', async t => {
  const texts = [
    '<img src=x onerror=alert(1)>',
    'a\n\nevent: gone\ndata: []\n\n',
    '\u2028\u0000\ud800"',
    '__proto__',
  ];
  const info = (text: string) => ({
    ...computeInfo('__proto__', { [text]: text }),
    Hostname: text,
    Conditions: [{ Type: text, Reason: text, Since: '2026-01-01T00:00:00Z' }],
    Host: { OS: text, Kernel: text, CPUModel: text },
  });
  for (const text of texts) {
    const state = record('__proto__', 'APPROVED', { Info: info(text) });
    const nodes = [{ state, liveness: liveness(1_000) }];
    const directory = new FakeDirectory(requesterNode(), nodes);
    const api = await serve(t, directory, quick);
    const page = await readRoll(t, api);
    await eventually('all rows came', () => page.names.includes('ready'));
    const row = page.rows.get('__proto__');
    const shown = Buffer.from(text).toString();
    assert.deepEqual(
      [row?.host, row?.machine.os, row?.conditions[0]?.type].map(each => Buffer.from(each ?? '').toString()),
      [shown, shown, shown],
    );
    changed(directory, '__proto__', { liveness: liveness(2_000) });
    await eventually('it was heard', () => page.rows.get('__proto__')?.heardAt === 2_000);
  }
});
