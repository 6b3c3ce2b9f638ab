// Runs `muster events` as an operator does, with stored events, new events, and a requester that stops in between.
import assert from 'node:assert/strict';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { cloudEvent, type EventData, type EventKind } from '../../../agent/protocol/events.ts';
import { startApi } from '../../../agent/requester/api/server.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { answering } from '../../api/answering-server.ts';
import { serve } from '../../requester/api/api-fixture.ts';
import { requesterNode } from '../../requester/samples.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeDirectory } from '../../support/fake-directory.ts';
import { freePort } from '../../support/listener.ts';
import { newFolder } from '../../support/temporary.ts';
import { muster, start } from '../program.ts';

const event = (kind: EventKind, number: number, time: string, data: EventData) =>
  cloudEvent(kind, `${data.node}:${number}`, '/muster/c-1/node-0', time, data);

const happened = [
  event('registered', 1, '2026-01-01T10:00:00.000Z', {
    node: 'node-1',
    previous: {},
    current: { membership: 'PENDING' },
    actor: 'node-1',
  }),
  event('rejected', 2, '2026-01-01T11:00:00.500Z', {
    node: 'a-long-name-1',
    previous: { membership: 'PENDING' },
    current: { membership: 'REJECTED' },
    reason: 'malicious\nnode? \u202e',
    actor: 'ada@desk',
  }),
  event('unhealthy', 3, '2026-01-01T12:00:00.000Z', {
    node: 'node-1',
    previous: { health: 'HEALTHY' },
    current: { health: 'UNHEALTHY' },
    evidence: {
      lastSeen: '2026-01-01T11:59:14.000Z',
      silence: 46_000,
      rule: 'requester.nodeDisconnectedAfter 45s',
    },
  }),
  event('updated', 4, '2026-01-01T13:00:00.000Z', {
    node: 'node-1',
    previous: { membership: 'APPROVED' },
    current: { membership: 'APPROVED' },
    actor: 'node-1',
    coalesced: 236,
  }),
  event('deleted', 5, '2026-01-01T14:00:00.000Z', {
    node: 'node-1',
    previous: { membership: 'APPROVED' },
    current: {},
    actor: 'ada@desk',
  }),
];

function past(): FakeDirectory {
  const directory = new FakeDirectory(requesterNode());
  for (const one of happened) {
    directory.events.push({ node: one.data.node, time: new Date(one.time), text: JSON.stringify(one) });
  }
  return directory;
}

test('each event is a line with its time, node, kind, change, reason and actor', async t => {
  const api = await serve(t, past());
  const { code, stdout, stderr } = await muster(t, ['events', '--api-port', String(api.port)]);
  assert.deepEqual([code, stderr], [0, '']);
  assert.equal(
    stdout,
    `2026-01-01T10:00:00.000Z  node-1  registered  - -> PENDING          by node-1
2026-01-01T11:00:00.500Z  a-long-name-1  rejected    PENDING -> REJECTED   "malicious\\nnode? \\u202e"  by ada@desk
2026-01-01T12:00:00.000Z  node-1         unhealthy   HEALTHY -> UNHEALTHY  silent for 46s
2026-01-01T13:00:00.000Z  node-1         updated     APPROVED              by node-1  (and 236 older changes)
2026-01-01T14:00:00.000Z  node-1         deleted     APPROVED -> -         by ada@desk
`,
  );
});

test('a longer kind makes its column wider for the lines after it', async t => {
  const directory = past();
  const since = '2026-01-01T14:59:00Z';
  const about = { node: 'node-1', previous: {}, current: {} };
  for (const one of [
    event('condition-raised', 6, '2026-01-01T15:00:00.000Z', {
      ...about,
      condition: { type: 'GpuMissing', since },
      reason: '7 of 8 GPUs are there',
    }),
    event('healthy', 7, '2026-01-01T15:01:00.000Z', {
      ...about,
      previous: { health: 'UNKNOWN' },
      current: { health: 'HEALTHY' },
    }),
  ])
    directory.events.push({ node: 'node-1', time: new Date(one.time), text: JSON.stringify(one) });
  const api = await serve(t, directory);
  const { stdout } = await muster(t, ['events', '--since', since, '--api-port', String(api.port)]);
  assert.equal(
    stdout,
    `2026-01-01T15:00:00.000Z  node-1  condition-raised  GpuMissing            "7 of 8 GPUs are there"
2026-01-01T15:01:00.000Z  node-1  healthy           UNKNOWN -> HEALTHY
`,
  );
});

test('-o json prints each event as a line', async t => {
  const api = await serve(t, past());
  const { stdout } = await muster(t, ['events', '-o', 'json', '--api-port', String(api.port)]);
  const lines = stdout.trimEnd().split('\n');
  assert.deepEqual(
    lines.map(line => JSON.parse(line)),
    happened.map((one, index) => ({ ...one, cursor: `fake-${index + 1}` })),
  );
  assert.doesNotMatch(stdout, /\u202e/);
});

test('--node and --since choose the events; --since takes a time, a day or an age', async t => {
  const directory = past();
  const recent = event('healthy', 6, new Date(Date.now() - 60_000).toISOString(), {
    node: 'node-2',
    previous: { health: 'UNKNOWN' },
    current: { health: 'HEALTHY' },
  });
  directory.events.push({ node: 'node-2', time: new Date(recent.time), text: JSON.stringify(recent) });
  const api = await serve(t, directory);
  const kinds = async (...args: string[]) => {
    const { stdout, stderr } = await muster(t, [
      'events',
      '-o',
      'json',
      '--api-port',
      String(api.port),
      ...args,
    ]);
    assert.equal(stderr, '');
    return stdout.split('\n').flatMap(line => (line ? JSON.parse(line).type.split('.').at(-1) : []));
  };
  assert.deepEqual(await kinds('--node', 'a-long-name-1'), ['rejected']);
  assert.deepEqual(await kinds('--since', '2026-01-01T14:00:00+01:00', '--node', 'node-1'), [
    'updated',
    'deleted',
  ]);
  assert.deepEqual(await kinds('--since', '2026-01-02'), ['healthy']);
  assert.deepEqual(await kinds('--since', '1h'), ['healthy']);
  assert.deepEqual(await kinds('--since', '1s'), []);
});

test('--node with an id that nobody ever had is an error, also with --follow', async t => {
  const api = await serve(t, past());
  for (const more of [[], ['--follow'], ['--since', '1h']]) {
    const args = ['events', '--node', 'node-99', '--api-port', String(api.port), ...more];
    const { code, stdout, stderr } = await muster(t, args);
    assert.deepEqual([code, stdout, stderr], [1, '', 'Error: node not found: node-99\n']);
  }
});

test('a stored line that is not a membership event is left out, with one warning', async t => {
  const directory = past();
  directory.events.push({ node: 'x', time: new Date(0), text: '{"hello":"\\u001b[2J"}' });
  directory.events.push({ node: 'x', time: new Date(0), text: '{"specversion":"1.0"}' });
  const api = await serve(t, directory);
  const { code, stdout, stderr } = await muster(t, ['events', '--api-port', String(api.port)]);
  assert.deepEqual([code, stdout.split('\n').length], [0, 6]);
  assert.equal(
    stderr,
    'Warning: a line that is not a membership event is left out: specversion: Invalid type: Expected "1.0" but received undefined\n',
  );
});

test('a warning comes after the events that were read before it, and before the later ones', async t => {
  const directory = past();
  directory.events.splice(2, 0, { node: 'x', time: new Date(0), text: '{"specversion":"1.0"}' });
  const api = await serve(t, directory);
  const path = join(await newFolder(), 'output');
  await using file = await open(path, 'w');
  await muster(t, ['events', '--api-port', String(api.port)], { stdout: file.fd, stderr: file.fd });
  const lines = (await readFile(path, 'utf8')).split('\n');
  assert.match(lines.splice(2, 1).join(), /^Warning: a line that is not a membership event/);
  assert.equal(lines.length, 6, 'all events are there');
});

test('--follow goes on when the requester stops and comes back, and shows every event once', async t => {
  const directory = past();
  const options = { directory, host: '127.0.0.1', log: silentLog };
  let api = await startApi({ ...options, port: 0 });
  t.after(() => api.stop());
  const { url, port } = api;
  const args = ['events', '--follow', '--node', 'node-1', '-o', 'json', '--api-port', String(port)];
  const { outcome, child, ended } = await start(t, args);
  const ids = () => outcome.stdout.split('\n').flatMap(line => (line ? [JSON.parse(line).id] : []));
  const told = (...more: string[]) =>
    eventually(
      `${more} are printed`,
      () => ids().join() === ['node-1:1', 'node-1:3', 'node-1:4', 'node-1:5', ...more].join(),
    );
  const store = (number: number, node = 'node-1') => {
    const one = { ...happened[4], id: `${node}:${number}`, time: `2026-01-01T14:00:0${number - 5}.000Z` };
    directory.events.push({ node, time: new Date(one.time), text: JSON.stringify(one) });
    return one;
  };
  await told();
  directory.emit('node-1', JSON.stringify(store(6)));
  directory.emit('node-2', JSON.stringify(store(6, 'node-2')));
  await told('node-1:6');

  for (const number of [7, 8]) {
    await api.stop();
    store(number);
    const failing = new FakeDirectory(requesterNode());
    failing.failure = new MusterError('unreachable', 'the requester is starting');
    // The requester runs, but is not ready yet.
    api = await startApi({ ...options, directory: failing, port });
    await api.stop();
    api = await startApi({ ...options, port });
    await told('node-1:6', ...['node-1:7', 'node-1:8'].slice(0, number - 6));
  }
  directory.emit('node-1', JSON.stringify(store(9)));
  await told('node-1:6', 'node-1:7', 'node-1:8', 'node-1:9');
  child.kill();
  await ended;
  const outage = `Warning: the requester at ${url} stopped; missed events are shown later\n`;
  assert.equal(outcome.stderr, `${outage}the requester at ${url} is back\n`.repeat(2));
});

test('--cursor-file goes on after the last event that was written out, and says when events are missing', async t => {
  const directory = past();
  const options = { directory, host: '127.0.0.1', log: silentLog };
  let api = await startApi({ ...options, port: 0 });
  t.after(() => api.stop());
  const file = join(await newFolder(), 'cursor');
  const args = ['events', '-o', 'json', '--api-port', String(api.port), '--cursor-file', file];
  const idsIn = (stdout: string) => stdout.split('\n').flatMap(line => (line ? [JSON.parse(line).id] : []));
  const idsNow = async (...more: string[]) => {
    const { code, stdout, stderr } = await muster(t, [...args, ...more]);
    assert.deepEqual([code, stderr], [0, '']);
    return idsIn(stdout);
  };
  const store = (number: number) => {
    const one = { ...happened[4], id: `node-1:${number}`, time: '2026-01-01T14:00:00.000Z' };
    directory.events.push({ node: 'node-1', time: new Date(one.time), text: JSON.stringify(one) });
    return JSON.stringify(one);
  };
  const since = ['--since', '2026-01-01T12:30:00Z'];
  assert.deepEqual(await idsNow(...since), ['node-1:4', 'node-1:5'], 'the first run begins at the time');
  assert.equal(await readFile(file, 'utf8'), 'fake-5\n');
  assert.deepEqual(await idsNow(...since), [], 'a later run begins at the cursor');
  store(6);
  const { outcome, child, ended } = await start(t, [...args, '--follow']);
  await eventually('the missed event', () => idsIn(outcome.stdout).join() === 'node-1:6');
  await api.stop();
  store(7);
  api = await startApi({ ...options, port: api.port });
  await eventually('the one of the outage', () => idsIn(outcome.stdout).join() === 'node-1:6,node-1:7');
  await eventually('its cursor', async () => (await readFile(file, 'utf8')) === 'fake-7\n');
  child.kill('SIGKILL');
  await ended;
  store(8);
  assert.deepEqual(await idsNow(), ['node-1:8']);

  await writeFile(file, 'lost-8\n');
  for (const more of [[], ['--follow']]) {
    const { code, stdout, stderr } = await muster(t, [...args, ...more]);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /^Error: the event stream of this cursor is not kept any more\n/);
    assert.equal(await readFile(file, 'utf8'), 'lost-8\n', 'the place of the gap stays known');
  }
  await writeFile(file, 'no cursor');
  const { code, stderr } = await muster(t, args);
  assert.equal(code, 1);
  assert.match(stderr, /is not a file with the cursor of an event/);
});

test('--cursor-file says before the first event that no cursor can be written there', async t => {
  const api = await serve(t, past());
  const file = join(await newFolder(), 'missing', 'cursor');
  for (const more of [[], ['--follow']]) {
    const { code, stdout, stderr } = await muster(t, [
      ...['events', '--api-port', String(api.port), '--cursor-file', file],
      ...more,
    ]);
    assert.deepEqual([code, stdout], [1, '']);
    assert.equal(
      stderr,
      `Error: cannot write ${file}: a part of the path does not exist
Hint:  free or unlock it, or name another file with --cursor-file
`,
    );
  }
});

test('--follow says which requester goes on with the events when the one that sent them hangs', async t => {
  const api = await serve(t, past());
  const hanging = await answering(t, (_, response) => {
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson', 'Muster-Sign-Of-Life-Ms': 5 });
    response.write('\n');
  });
  const url = `http://127.0.0.1:${hanging.port}`;
  const servers = [hanging.port, api.port].map(port => `127.0.0.1:${port}`).join();
  const { outcome, child, ended } = await start(t, ['events', '--follow', '--api-servers', servers]);
  await eventually('an event is printed', () => outcome.stdout.includes('node-1'));
  child.kill();
  await ended;
  assert.equal(
    outcome.stderr,
    `Warning: the requester at ${url} gives no sign of life; missed events are shown later\n` +
      `the requester at ${api.url} goes on with the events\n`,
  );
});

test('--follow ends with exit code 69 where no requester has ever answered', async t => {
  const port = await freePort();
  const { code, stderr } = await muster(t, ['events', '--follow', '--api-port', String(port)]);
  assert.equal(code, 69);
  assert.match(stderr, /^Error: no requester answers at /);
});

test('a reader that goes away (| head) ends the command without an error', async t => {
  const directory = past();
  const api = await serve(t, directory);
  const { child, outcome, ended } = await start(t, ['events', '--follow', '--api-port', String(api.port)]);
  await eventually('it follows', () => outcome.stdout.split('\n').length === 6);
  child.stdout?.destroy();
  let over = false;
  let number = 9;
  void ended.then(() => {
    over = true;
  });
  await eventually('it ends', () => {
    directory.emit('node-1', JSON.stringify({ ...happened[0], id: `node-1:${++number}` }));
    return over;
  });
  const { code, stderr } = await ended;
  assert.deepEqual([code, stderr], [0, '']);
});

test('a stream that the requester cuts off is an error, not an end', async t => {
  const directory = past();
  const api = await serve(t, directory, { maxWaitingBytes: 800 });
  const { code, stderr } = await muster(t, ['events', '--api-port', String(api.port)]);
  assert.deepEqual([code, stderr], [69, `Error: the connection to ${api.url} was lost\n`]);
});
