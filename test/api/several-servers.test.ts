// Tests that the commands try the addresses of api.servers in turn, and that a change is never made twice.
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import { apiAddresses } from '../../agent/api/address.ts';
import { ApiClient } from '../../agent/api/client.ts';
import { followEvents } from '../../agent/api/event-feed.ts';
import { tokenSource } from '../../agent/api/find-token.ts';
import type { ApiServerOptions } from '../../agent/api/one-server.ts';
import { resolveSettings } from '../../agent/config/load.ts';
import { readEnvironment, readFlags } from '../../agent/config/sources.ts';
import { cloudEvent } from '../../agent/protocol/events.ts';
import { operationPattern } from '../../agent/protocol/operation.ts';
import { systemClock } from '../../agent/system/clock.ts';
import { MusterError } from '../../agent/system/errors.ts';
import { muster } from '../cli/program.ts';
import { call, cluster, serve } from '../requester/api/api-fixture.ts';
import { defaultSettings } from '../support/default-settings.ts';
import { tokens } from '../support/fake-operators.ts';
import { freePort, listen } from '../support/listener.ts';
import { steadyRandom } from '../support/steady-random.ts';
import { type AnsweringServer, answering, refusal } from './answering-server.ts';

const decision = { Action: 'approve', Message: '', Actor: 'ada@desk' } as const;

/** Returns a client of these ports. It shows no token. */
function clientOf(ports: readonly number[], options: Partial<ApiServerOptions> = {}): ApiClient {
  const [first = { host: '127.0.0.1', port: 0 }, ...others] = ports.map(port => ({
    host: '127.0.0.1',
    port,
    ...options,
  }));
  return new ApiClient(first, others);
}

const json =
  (status: number, body: object): RequestListener =>
  (_, response) => {
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(body));
  };
const good = json(200, { state: 'ready' });
const stopping = {
  Message: 'the requester is stopping',
  Code: 'ServiceUnavailable',
  Hint: 'ask node-b on m2',
};
const node = { Node: cluster().get('node-1') };
/** Shows node-1, and gives each change to `onChange`. */
const deciding =
  (onChange: RequestListener): RequestListener =>
  (request, response) =>
    (request.method === 'GET' ? json(200, node) : onChange)(request, response);
const done = json(200, { Success: true });

test('a read goes on after a server that is away, hangs, stops or is another program, and stays where it was answered', async t => {
  const hanging = await answering(t, () => undefined);
  const ending = await answering(t, json(503, stopping));
  const other = await answering(t, json(200, []));
  const cut = await answering(t, request => request.socket.destroy());
  const last = await answering(t, good);
  const ports = [await freePort(), hanging.port, ending.port, other.port, cut.port, last.port];
  const client = clientOf(ports, { deadlineMs: 2_000 });
  assert.equal((await client.status()).State, 'ready');
  assert.equal((await client.status()).State, 'ready');
  assert.deepEqual(last.seen, ['GET status', 'GET status']);
  for (const { seen } of [hanging, ending, other, cut]) assert.deepEqual(seen, ['GET status']);
  assert.equal(client.url, `http://127.0.0.1:${last.port}`);
});

test('a server that takes a connection and begins no TLS is left within the time for a connection', async t => {
  const silent = await listen(() => undefined);
  t.after(() => silent.close());
  const last = await answering(t, good);
  const client = new ApiClient({ host: '127.0.0.1', port: silent.port, isTls: true, deadlineMs: 2_000 }, [
    { host: '127.0.0.1', port: last.port },
  ]);
  assert.equal((await client.status()).State, 'ready');
  assert.equal(silent.accepted, 1);
});

test('a refusal is an answer: nobody else is asked', async t => {
  const first = await answering(t, json(404, { Message: 'node not found: n', Code: 'NotFound' }));
  const second = await answering(t, good);
  assert.equal((await refusal(clientOf([first.port, second.port]).node('n'))).code, 'not_found');
  assert.deepEqual(second.seen, []);
});

test('a change goes on when nothing can have been done: nobody listens, or the requester says so', async t => {
  const ending = await answering(t, deciding(json(503, { ...stopping, NothingDone: true })));
  const unstored = { Message: 'the decision was not stored', Code: 'InternalError', NothingDone: true };
  const cutOff = await answering(t, deciding(json(500, unstored)));
  const last = await answering(t, deciding(done));
  const client = clientOf([await freePort(), ending.port, cutOff.port, last.port]);
  await client.decide('node-1', decision);
  assert.deepEqual(last.seen, ['PUT nodes/node-1']);
  await client.decide('node-1', decision);
  assert.deepEqual(last.seen.slice(1), ['GET nodes/node-1', 'PUT nodes/node-1']);
  assert.equal(ending.seen.length, 2);
});

test('a requester whose error says that nothing was done tells it to its callers', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  for (const nothingDone of [true, false]) {
    directory.failure = new MusterError('unreachable', 'it stops', { nothingDone });
    const { status, json: body } = await call(api, '/api/v1/orchestrator/nodes/node-1');
    assert.deepEqual([status, body().NothingDone], [503, nothingDone || undefined]);
  }
});

test('a decision whose answer is lost is repeated at the next one, under the same operation', async t => {
  const said = { Message: 'the store does not answer', Code: 'ServiceUnavailable' };
  for (const onChange of [
    (request => request.socket.destroy()) satisfies RequestListener,
    () => undefined,
    json(503, said),
  ]) {
    const sent: unknown[] = [];
    const noting =
      (listener: RequestListener): RequestListener =>
      (request, response) => {
        sent.push(request.headers['muster-operation']);
        listener(request, response);
      };
    const first = await answering(t, deciding(noting(onChange)));
    const second = await answering(t, deciding(noting(done)));
    await clientOf([first.port, second.port], { deadlineMs: 2_000 }).decide('node-1', decision);
    assert.match(String(sent[0]), operationPattern);
    assert.deepEqual(sent, [sent[0], sent[0]]);
  }
});

test('a decision that one may have made, and that no other one made, may stand, and the error says how to find out', async t => {
  const first = await answering(
    t,
    deciding(request => request.socket.destroy()),
  );
  const conflict = json(409, { Message: 'node node-1 already approved', Code: 'ConflictNodeState' });
  const second = await answering(t, deciding(conflict));
  const error = await refusal(clientOf([first.port, second.port]).decide('node-1', decision));
  const [, operation = ''] = /\(operation (\S+)\)$/.exec(error.message) ?? [];
  assert.match(operation, operationPattern);
  assert.deepEqual(
    [error.exitCode, error.message, error.hint],
    [
      69,
      `2 requesters were asked, and the decision about node node-1 may stand or not (operation ${operation})`,
      `find out with: muster explain ${operation}`,
    ],
  );
  assert.match(error.details.join('\n'), /was lost.*\n.*: node node-1 already approved/);
});

test('a change that requesters do not remember is not repeated, and the error names its operation and how to find out', async t => {
  const first = await answering(t, request => request.socket.destroy());
  const second = await answering(t, done);
  const client = clientOf([first.port, second.port]);
  const error = await refusal(client.operators.revoke('ada', 'bob@desk'));
  assert.equal(error.exitCode, 69);
  assert.match(
    error.message,
    /^the connection to \S+ was lost; the end of the token of operator ada may stand or not \(operation \S{36}\)$/,
  );
  const [, operation] = /\(operation (\S{36})\)$/.exec(error.message) ?? [];
  assert.equal(error.hint, `find out with: muster explain ${operation}`);
  assert.deepEqual(second.seen, []);
});

test('a requester that dies before it has proved that it knows the token gets no change, so the next one is asked', async t => {
  const dying = await answering(t, (request, response) =>
    request.url?.includes('/auth/') ? request.socket.destroy() : json(200, node)(request, response),
  );
  const directory = cluster();
  const api = await serve(t, directory);
  const { api: preset, ...settings } = defaultSettings();
  const source = tokenSource({ ...settings, api: { ...preset, token: tokens.tester } });
  await clientOf([dying.port, api.port], { tokens: source }).decide('node-1', decision);
  assert.equal(directory.get('node-1').Muster.Decision?.Actor, 'tester');
  assert.ok(
    dying.seen.every(line => line.startsWith('GET ')),
    dying.seen.join(),
  );
});

test('when all fail, one error names each address and why, in lines of at most 80 columns', async t => {
  const ports = [await freePort(), await freePort()];
  const ending = await answering(
    t,
    json(503, { ...stopping, Message: `${stopping.Message}, ${'so '.repeat(30)}` }),
  );
  const servers = [...ports, ending.port].map(port => `127.0.0.1:${port}`).join();
  const { code, stdout, stderr } = await muster(t, ['node', 'list'], {
    env: { MUSTER_API_SERVERS: servers },
  });
  assert.deepEqual([code, stdout], [69, '']);
  const [head, ...lines] = stderr.split('\n');
  assert.equal(head, 'Error: none of the 3 requesters in api.servers can do it');
  assert.deepEqual(
    lines.slice(0, 2),
    ports.map(port => `  no requester answers at http://127.0.0.1:${port}`),
  );
  assert.equal(
    lines[2]?.startsWith(`  http://127.0.0.1:${ending.port}: the requester is stopping, so`),
    true,
    stderr,
  );
  assert.match(lines[3] ?? '', /^ {4}so /);
  assert.match(stderr, /\nHint: {2}ask node-b on m2; start one of them, or ask another one with --api-host/);
  for (const line of lines.filter(each => !each.startsWith('Hint:'))) assert.ok(line.length <= 80, line);
});

test('following events goes on at another requester where it stopped, and shows each event once', async t => {
  const event = (number: number) =>
    cloudEvent('approved', `node-1:s1:${number}`, '/muster/c/r', new Date().toISOString(), {
      node: 'node-1',
      previous: {},
      current: {},
    });
  const [one, two, three] = [event(1), event(2), event(3)];
  const stream =
    (events: object[], ends: boolean): RequestListener =>
    (_, response) => {
      response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
      for (const each of events) response.write(`${JSON.stringify(each)}\n`);
      if (ends) response.end();
    };
  let isUp = true;
  const first = await answering(t, (request, response) => {
    (isUp ? stream([one, two], true) : json(503, stopping))(request, response);
    isUp = false;
  });
  const second = await answering(t, stream([one, two, three], false));
  const client = clientOf([first.port, second.port]);
  const told: string[] = [];
  const unused = () => undefined;
  const following = followEvents(
    client,
    {},
    {
      clock: systemClock,
      random: steadyRandom(),
      onUnreadable: unused,
      onLost: ({ message }) => void told.push(message),
      onBack: () => void told.push(client.url),
    },
  );
  const shown: string[] = [];
  for await (const { id } of following) if (shown.push(id) === 3) break;
  assert.deepEqual(shown, ['node-1:s1:1', 'node-1:s1:2', 'node-1:s1:3']);
  const at = ({ port }: AnsweringServer) => `http://127.0.0.1:${port}`;
  assert.deepEqual(told, [`the requester at ${at(first)} stopped`, at(second)]);
  assert.match(second.seen[0] ?? '', /since=/);
});

test('following events leaves a requester that gives no sign of life, and asks the next one first', async t => {
  const event = cloudEvent('approved', 'node-1:s1:1', '/muster/c/r', new Date().toISOString(), {
    node: 'node-1',
    previous: {},
    current: {},
  });
  const type = { 'Content-Type': 'application/x-ndjson' };
  const hanging = await answering(t, (_, response) => {
    response.writeHead(200, { ...type, 'Muster-Sign-Of-Life-Ms': 5 });
    response.write('\n');
  });
  // Without that header, as of an earlier version, silence means nothing.
  const silent = await answering(t, (_, response) => {
    response.writeHead(200, type);
    response.flushHeaders();
    setTimeout(() => response.write(`${JSON.stringify(event)}\n`), 100);
  });
  const client = clientOf([hanging.port, silent.port]);
  const told: string[] = [];
  const following = followEvents(
    client,
    {},
    {
      clock: systemClock,
      random: steadyRandom(),
      onUnreadable: () => undefined,
      onLost: ({ message }) => void told.push(message),
      onBack: () => void told.push(client.url),
    },
  );
  for await (const { id } of following) {
    assert.equal(id, 'node-1:s1:1');
    break;
  }
  const at = ({ port }: AnsweringServer) => `http://127.0.0.1:${port}`;
  assert.deepEqual(told, [`the requester at ${at(hanging)} gives no sign of life`, at(silent)]);
  assert.deepEqual([hanging.seen.length, silent.seen.length], [1, 1]);
});

test('the addresses: the stronger source wins, and beyond the loopback everything goes over TLS', () => {
  const addresses = (flags: Parameters<typeof readFlags>[0], variables: Record<string, string>) => {
    const { settings, origin, faults } = resolveSettings(
      [readFlags(flags), readEnvironment(variables)],
      undefined,
    );
    assert.deepEqual(faults, []);
    return apiAddresses(settings, origin).map(
      ({ host, port, isTls }) => `${host} ${port}${isTls ? ' over TLS' : ''}`,
    );
  };
  const list = 'localhost:1234, https://127.0.0.1:1, [2001:db8::1]:2,m2.example:3/';
  const all = ['localhost 1234', '127.0.0.1 1 over TLS', '2001:db8::1 2 over TLS', 'm2.example 3 over TLS'];
  assert.deepEqual(addresses({}, { MUSTER_API_SERVERS: list }), all);
  assert.deepEqual(addresses({}, { MUSTER_API_SERVERS: list, MUSTER_API_PORT: '7' }), all);
  assert.deepEqual(addresses({ 'api.servers': list }, { MUSTER_API_PORT: '7' }), all);
  assert.deepEqual(addresses({ 'api.port': 7 }, { MUSTER_API_SERVERS: list }), ['127.0.0.1 7']);
  assert.deepEqual(addresses({ 'api.host': 'm3' }, { MUSTER_API_SERVERS: list }), ['m3 1234 over TLS']);
  assert.deepEqual(addresses({}, {}), ['127.0.0.1 1234']);
  assert.throws(() => addresses({ 'api.port': 7, 'api.servers': list }, {}), {
    code: 'usage',
    message: '--api-servers cannot be given together with --api-host or --api-port',
  });
});
