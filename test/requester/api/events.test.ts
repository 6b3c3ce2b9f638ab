// Tests the stream of events over real HTTP: stored and new events, and clients that are too slow or too many.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Api } from '../../../agent/requester/api/server.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeDirectory } from '../../support/fake-directory.ts';
import { tokens } from '../../support/fake-operators.ts';
import { requesterNode } from '../samples.ts';
import { call, serve } from './api-fixture.ts';

const events = '/api/v1/orchestrator/events';

function stored(): FakeDirectory {
  const directory = new FakeDirectory(requesterNode());
  const add = (node: string, time: string, text: string) =>
    directory.events.push({ node, time: new Date(time), text });
  add('node-1', '2026-01-01T10:00:00Z', '{"id":"node-1:1"}');
  add('node-2', '2026-01-01T11:00:00Z', '{"id":"node-2:2"}');
  add('node-1', '2026-01-01T12:00:00Z', '{"id":"node-1:3"}');
  return directory;
}

/** Returns the line of a stored event. */
function line(number: 1 | 2 | 3): string {
  const id = { 1: 'node-1:1', 2: 'node-2:2', 3: 'node-1:3' }[number];
  return `${JSON.stringify({ id, cursor: `fake-${number}` })}\n`;
}

async function open(t: TestContext, api: Api, query: string, token?: string): Promise<IncomingMessage> {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const sent = get({ host: '127.0.0.1', port: api.port, path: `${events}?${query}`, headers, agent: false });
  sent.on('error', () => undefined);
  t.after(() => sent.destroy());
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return response;
}

test('without follow, the stream ends after the stored events', async t => {
  const directory = stored();
  const api = await serve(t, directory);
  const answer = await call(api, events);
  assert.equal(answer.headers['content-type'], 'application/x-ndjson');
  assert.equal(answer.text, line(1) + line(2) + line(3));
  await eventually('the directory is let go', () => directory.followers.size === 0);
});

for (const when of ['when the first event was sent', 'in the turn of the first event'])
  test(`a list of events that breaks off ${when} is cut, and nothing that is no event is in it`, async t => {
    const directory = stored();
    directory.follow = async (_, onEvent) => {
      // What a broker sends is read in a later turn than the request.
      await nextTurn();
      await onEvent(Buffer.from('{"id":"node-1:1"}'), 'fake-1');
      if (when.startsWith('when')) await nextTurn();
      throw new MusterError('unreachable', 'the connection to the broker was lost');
    };
    const api = await serve(t, directory);
    const response = await open(t, api, '');
    let text = '';
    response.on('data', data => {
      text += data;
    });
    await assert.rejects(once(response, 'end'), { code: 'ECONNRESET' });
    assert.ok(line(1).startsWith(text), text);
  });

test('a list of events that breaks off is no whole answer for a proxy that speaks HTTP/1.0', async t => {
  const directory = stored();
  directory.follow = async (_, onEvent) => {
    await onEvent(Buffer.from('{"id":"node-1:1"}'), 'fake-1');
    await nextTurn();
    throw new MusterError('unreachable', 'the connection to the broker was lost');
  };
  const api = await serve(t, directory);
  const socket = connect(api.port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.resume().write(`GET ${events} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n`);
  await assert.rejects(once(socket, 'end'), { code: 'ECONNRESET' });
});

test('a list of events that is not complete is cut when the requester stops, and a stream that goes on ends', async t => {
  const directory = stored();
  directory.follow = async (_, onEvent) => {
    await onEvent(Buffer.from('{"id":"node-1:1"}'), 'fake-1');
    return { ready: new Promise(() => undefined), stop: () => undefined };
  };
  const api = await serve(t, directory);
  const [list, stream] = [await open(t, api, ''), await open(t, api, 'follow=true')];
  const ends = [
    assert.rejects(once(list.resume(), 'end'), { code: 'ECONNRESET' }),
    once(stream.resume(), 'end'),
  ];
  await api.stop();
  await Promise.all(ends);
});

test('the events may be those of one node, or from a time on', async t => {
  const api = await serve(t, stored());
  const text = async (query: string) => (await call(api, `${events}?${query}`)).text;
  assert.equal(await text('node=node-2'), line(2));
  assert.equal(await text('node=node-1&since=2026-01-01T10:00:00.000000001Z'), line(1) + line(3));
  assert.equal(await text('node=node-1&since=2026-01-01T13:30:00%2B02:00'), line(3));
  assert.equal(await text('since=2026-01-02T00:00:00Z&follow=false'), '');
  assert.equal((await call(api, `${events}?node=nobody`)).status, 404);
});

test('the events may be those after a cursor, and are refused when others are missing before them', async t => {
  const api = await serve(t, stored());
  const ask = (query: string) => call(api, `${events}?${query}`);
  assert.equal((await ask('after=fake-1')).text, line(2) + line(3));
  assert.equal((await ask('after=fake-1&node=node-1')).text, line(3));
  assert.equal((await ask('after=fake-3')).text, '');
  const gone = await ask('after=other-1');
  assert.deepEqual([gone.status, gone.json().Code], [410, 'Gone']);
});

test('with follow, the stream goes on with new events until the client closes it', async t => {
  const directory = stored();
  const api = await serve(t, directory);
  const response = await open(t, api, 'follow=true&node=node-1');
  let text = '';
  response.setEncoding('utf8').on('data', chunk => {
    text += chunk;
  });
  await eventually('the stored events came', () => text.split('\n').length === 3);
  directory.emit('node-2', '{"id":"node-2:4"}');
  directory.emit('node-1', '{"id":"node-1:5"}');
  await eventually('the new event came', () => text.endsWith('{"id":"node-1:5","cursor":"fake-3"}\n'));
  assert.doesNotMatch(text, /node-2/);
  response.destroy();
  await eventually('the directory is let go', () => directory.followers.size === 0);
});

for (const [when, options] of [
  ['the next event', {}],
  ['the next sign of life', { signOfLifeMs: 20 }],
] as const)
  test(`a stream whose token is revoked ends at ${when}, and others go on`, async t => {
    const directory = stored();
    const api = await serve(t, directory, options);
    const revoked = await open(t, api, 'follow=true', tokens.tester);
    const other = await open(t, api, 'follow=true', tokens.reader);
    const texts = { revoked: '', other: '' };
    revoked.setEncoding('utf8').on('data', text => (texts.revoked += text));
    other.setEncoding('utf8').on('data', text => (texts.other += text));
    const all = line(1) + line(2) + line(3);
    const events = (text: string) => text.replace(/^\n/gm, '');
    await eventually('both have all', () => events(texts.revoked) === all && events(texts.other) === all);
    directory.operators.records.delete('tester');
    if (!('signOfLifeMs' in options)) directory.emit('node-1', '{"id":"new"}');
    await once(revoked, 'end');
    assert.equal(events(texts.revoked), all);
    directory.emit('node-1', '{"id":"last"}');
    await eventually('the other one goes on', () => texts.other.includes('"last"'));
  });

test('an event of any text is one line, or is left out', async t => {
  const directory = new FakeDirectory(requesterNode());
  const texts = [
    '{"id":\n"a"}',
    'no JSON',
    `{"x":"${'x'.repeat(70_000)}"}`,
    '{"id":"\u2028\\u001b[2J"}',
    '[1]',
  ];
  directory.events.push(...texts.map(text => ({ node: 'n', time: new Date(0), text })));
  const api = await serve(t, directory);
  assert.equal(
    (await call(api, events)).text,
    '{"id":"a","cursor":"fake-1"}\n{"id":"\u2028\\u001b[2J","cursor":"fake-4"}\n[1]\n',
  );
});

const badQueries: [query: string, message: RegExp][] = [
  ['node=*', /^node is not a node id$/],
  ['node=%3E', /^node is not a node id$/],
  ['node=a.b', /^node is not a node id$/],
  ['since=yesterday', /^since is not an RFC 3339 time/],
  ['since=2026-02-30T00:00:00Z', /^since is not/],
  ['since=2026-01-01', /^since is not/],
  ['after=1', /^after is not the cursor of an event$/],
  ['after=a-1&since=2026-01-01T00:00:00Z', /^since and after exclude each other$/],
  ['follow=maybe', /^follow is neither true nor false$/],
];
for (const [query, message] of badQueries) {
  test(`?${query} is refused`, async t => {
    const directory = stored();
    const answer = await call(await serve(t, directory), `${events}?${query}`);
    assert.deepEqual([answer.status, answer.json().Code], [400, 'BadRequest']);
    assert.match(String(answer.json().Message), message);
    assert.equal(directory.followers.size, 0);
  });
}

test('a client that does not take its events is disconnected and sees that, and others go on', async t => {
  const directory = stored();
  const api = await serve(t, directory, { maxWaitingBytes: 100_000 });
  const slow = await open(t, api, 'follow=true');
  const quick = await open(t, api, 'follow=true');
  let read = 0;
  quick.on('data', chunk => {
    read += chunk.length;
  });
  slow.pause();
  const event = `{"x":"${'x'.repeat(60_000)}"}`;
  let sent = 0;
  await eventually('the slow client is cut off', async () => {
    directory.emit('node-1', event);
    sent++;
    await eventually('the quick client reads', () => read >= sent * (event.length + 1));
    return directory.followers.size === 1;
  });
  slow.resume();
  await assert.rejects(once(slow, 'end'), { code: 'ECONNRESET' });
  directory.emit('node-1', '{"last":true}');
  await eventually('the quick client goes on', () => read > sent * (event.length + 1));
});

test('stored events that are far more than may wait all reach the client', async t => {
  const directory = new FakeDirectory(requesterNode());
  const text = `{"x":"${'x'.repeat(10_000)}"}`;
  let bytes = 0;
  for (let i = 0; i < 2_000; i++) {
    directory.events.push({ node: 'n', time: new Date(0), text });
    bytes += text.length + `,"cursor":"fake-${i + 1}"\n`.length;
  }
  const api = await serve(t, directory, { maxWaitingBytes: 100_000 });
  const answer = await call(api, events);
  assert.equal(answer.text.length, bytes);
});

test('no more than maxStreams streams are open at once', async t => {
  const directory = stored();
  const api = await serve(t, directory, { maxStreams: 2 });
  const first = await open(t, api, 'follow=true');
  await open(t, api, 'follow=true');
  const third = await call(api, `${events}?follow=true`);
  assert.deepEqual([third.status, third.json().Code], [429, 'TooManyRequests']);
  first.destroy();
  await eventually('there is room again', async () => (await call(api, events)).status === 200);
});

test('a stream that goes on gives signs of life while nothing happens, unless the requester hears no events', async t => {
  const directory = stored();
  const api = await serve(t, directory, { signOfLifeMs: 20 });
  const response = await open(t, api, 'follow=true&since=2026-01-02T00:00:00Z');
  assert.equal(response.headers['muster-sign-of-life-ms'], '20');
  let text = '';
  response.setEncoding('utf8').on('data', chunk => {
    text += chunk;
  });
  await eventually('signs of life come', () => /^\n{3,}$/.test(text));
  directory.hearsEvents = false;
  text = '';
  directory.emit('node-1', '{"id":"last"}');
  await eventually('the event comes', () => text.endsWith('{"id":"last","cursor":"fake-3"}\n'));
  directory.emit('node-1', '{"id":"end"}');
  await eventually('no sign comes between two events', () => /"last"[^\n]+\n[^\n]+"end"[^\n]+\n$/.test(text));
  const ended = await call(api, `${events}?since=2026-01-02T00:00:00Z`);
  assert.equal(ended.headers['muster-sign-of-life-ms'], undefined);
});
