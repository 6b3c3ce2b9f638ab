// Tests the connection to a real broker: messages, requests, reconnections, credentials and closing.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect as connectSocket, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import type { ConnectionState } from '../../agent/transport/port.ts';
import { bytes, connectTo, stateOf, text } from '../support/connections.ts';
import { startCutProxy } from '../support/cut-proxy.ts';
import { eventually } from '../support/eventually.ts';
import { freePort, listen } from '../support/listener.ts';
import { recordLog } from '../support/log-lines.ts';
import { makeNatsServer, startNatsServer } from '../support/nats-server.ts';

const server = await startNatsServer({ config: 'authorization { token: "t0ken" }', jetstream: false });
const folder = await mkdtemp(join(tmpdir(), 'muster-connection-'));
const credentials = () => ({ token: 't0ken' });
after(async () => {
  await server.release();
  await rm(folder, { recursive: true });
});

test('a request is answered, and a message is delivered', async () => {
  const asker = connectTo(server.url, { credentials });
  const answerer = connectTo(server.url, { credentials });
  await Promise.all([asker.connected(), answerer.connected()]);
  assert.match(asker.state.kind === 'connected' ? asker.state.version : '', /^2\./);
  assert.equal(asker.state.kind === 'connected' && asker.state.isEncrypted, false);
  assert.equal(asker.state.kind === 'connected' && asker.state.localAddress, '127.0.0.1');
  const heard: string[] = [];
  answerer.subscribe('ask.*', message => {
    heard.push(`${message.subject} ${text(message.data)}`);
    assert.equal(text(message.subjectBytes), message.subject);
    message.respond(`you said ${text(message.data)}`);
  });
  await answerer.flush(5_000);
  const answer = await asker.request('ask.me', 'hello', 5_000);
  assert.equal(text(answer.data), 'you said hello');
  assert.equal(asker.publish('ask.me', bytes('no answer wanted')), true);
  await eventually('the second message', () => heard.length === 2);
  assert.deepEqual(heard, ['ask.me hello', 'ask.me no answer wanted']);
});

test('a request may name the subject of its answer, and says as soon that nobody listens', async () => {
  const connection = connectTo(server.url, { credentials });
  await connection.connected();
  // A handler may take the functions out of a message.
  const echo = connection.subscribe('elsewhere', ({ data, reply, header, respond }) => {
    assert.equal(reply, 'answers.here');
    assert.equal(header('Absent'), '');
    respond(data);
  });
  const answer = await connection.request('elsewhere', 'hello', 5_000, 'answers.here');
  assert.equal(text(answer.data), 'hello');
  assert.equal(answer.subject, 'answers.here');
  echo.unsubscribe();
  const asked = connection.request('elsewhere', '', 60_000, 'answers.here');
  await assert.rejects(asked, { fault: 'no_responders' });
});

test('answers are gathered already when a listener hears that the connection is there', async () => {
  const answerer = connectTo(server.url, { credentials });
  await answerer.connected();
  answerer.subscribe('who', message => message.respond('me'));
  await answerer.flush(5_000);
  const asker = connectTo(server.url, { credentials });
  const answers: string[] = [];
  const gathered = Promise.withResolvers<void>();
  asker.onState(({ kind }) => {
    if (kind !== 'connected') return;
    const wait = { firstMs: 5_000, nextMs: 5_000 };
    asker
      .gather('who', '', wait, ({ data }) => answers.push(text(data)) > 0)
      .then(gathered.resolve, gathered.reject);
  });
  await gathered.promise;
  assert.deepEqual(answers, ['me']);
});

test('a request that gets no answer says why', async () => {
  const connection = connectTo(server.url, { credentials });
  await connection.connected();
  await assert.rejects(connection.request('nobody.there', '', 5_000), {
    name: 'BrokerError',
    fault: 'no_responders',
    message: 'nobody listens on nobody.there',
  });
  connection.subscribe('silent', () => undefined);
  await assert.rejects(connection.request('silent', '', 50), { fault: 'timeout' });
  await assert.rejects(connection.request('two words', '', 50), { fault: 'refused' });
  await assert.rejects(connection.request('silent', new Uint8Array(1_100_000), 50), { fault: 'refused' });
  assert.equal(connection.publish('silent', new Uint8Array(1_100_000)), false);
  assert.equal(connection.publish('line\r\nPUB x 0', ''), false);
});

test('a large message is delivered whole', async () => {
  const connection = connectTo(server.url, { credentials });
  await connection.connected();
  const sizes: number[] = [];
  connection.subscribe('large', message => sizes.push(message.data.length));
  connection.publish('large', new Uint8Array(1_000_000));
  await connection.flush(5_000);
  assert.deepEqual(sizes, [1_000_000]);
});

test('a handler that throws loses only its message', async () => {
  const { log, lines } = recordLog();
  const connection = connectTo(server.url, { credentials, log });
  await connection.connected();
  const handled: string[] = [];
  connection.subscribe('work', message => {
    if (text(message.data) === 'bad') throw new Error('cannot do that');
    handled.push(text(message.data));
  });
  for (const data of ['one', 'bad', 'bad', 'two']) connection.publish('work', data);
  await connection.flush(5_000);
  assert.deepEqual(handled, ['one', 'two']);
  assert.equal(lines.filter(line => line.message === 'a message could not be handled').length, 1);
});

test('an answer is never sent to the API of the broker', async () => {
  const connection = connectTo(server.url, { credentials });
  await connection.connected();
  const answered: boolean[] = [];
  connection.subscribe('question', message => answered.push(message.respond('x')));
  const stolen: string[] = [];
  connection.subscribe('$JS.API.>', message => stolen.push(message.subject));
  await connection.flush(5_000);
  await rawPublish(server.port, 't0ken', 'question', '$JS.API.STREAM.DELETE.KV_node_v1');
  await eventually('the question', () => answered.length === 1);
  await connection.flush(5_000);
  assert.deepEqual([answered, stolen], [[false], []]);
});

test('no message is delivered after unsubscribing', async () => {
  const connection = connectTo(server.url, { credentials });
  await connection.connected();
  let count = 0;
  const subscription = connection.subscribe('news', () => count++);
  connection.publish('news', '');
  await connection.flush(5_000);
  subscription.unsubscribe();
  connection.publish('news', '');
  await connection.flush(5_000);
  assert.equal(count, 1);
});

test('a subscription that finishes handles what the broker sent before, and nothing later', async () => {
  const [asker, answerer] = [connectTo(server.url, { credentials }), connectTo(server.url, { credentials })];
  await Promise.all([asker.connected(), answerer.connected()]);
  const subscription = answerer.subscribe('finishing', message => message.respond(message.data));
  await answerer.flush(5_000);
  const ask = (text: string) =>
    asker.request('finishing', text, 10_000).then(
      () => 'answered',
      error => error.fault,
    );
  // The questions are on their way when the subscription begins to finish.
  const asked = Array.from({ length: 2_000 }, (_, index) => ask(String(index)));
  const first = await Promise.race(asked);
  const finished = subscription.finish();
  const told = await Promise.all(asked);
  await finished;
  assert.equal(first, 'answered');
  assert.ok(!told.includes('timeout'), 'a question was not answered');
  assert.equal(await ask('later'), 'no_responders');
  // It may finish again, and after its connection was closed.
  await subscription.finish();
  await answerer.close();
  await subscription.finish();
});

test('a subscription that finishes waits for no answer on a link that is lost meanwhile', async t => {
  const proxy = await startCutProxy(server.port);
  t.after(() => proxy.close());
  const connection = connectTo(`nats://127.0.0.1:${proxy.port}`, { credentials });
  await connection.connected();
  const subscription = connection.subscribe('finishing', () => undefined);
  await connection.flush(5_000);
  proxy.cut({ ofClients: true, ofServer: true });
  const finished = subscription.finish();
  await proxy.close();
  await finished;
});

test('a rotated token file is read again at the next attempt', async () => {
  const tokenFile = join(folder, 'token');
  const connection = connectTo(server.url, { credentials: () => ({ tokenFile }) });
  const missing = await stateOf(connection, 'disconnected');
  assert.deepEqual(
    [missing.fault, missing.reason],
    ['credentials', `nats.tokenFile: there is no file ${tokenFile}`],
  );
  await writeFile(tokenFile, 'wrong\n');
  await eventually(
    'a refusal',
    () => connection.state.kind === 'disconnected' && connection.state.fault === 'unauthorized',
  );
  await writeFile(tokenFile, 't0ken\n');
  await connection.connected();
});

test('the user and the password come from the settings or from a file', async t => {
  const other = await startNatsServer({
    config: 'authorization { user: "ann", password: "pa55" }',
    jetstream: false,
  });
  t.after(() => other.release());
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, 'pa55');
  await connectTo(other.url, { credentials: () => ({ user: 'ann', password: 'pa55' }) }).connected();
  await connectTo(other.url, { credentials: () => ({ user: 'ann', passwordFile }) }).connected();
  const refused = await stateOf(
    connectTo(other.url, { credentials: () => ({ user: 'ann', password: 'no' }) }),
    'disconnected',
  );
  assert.equal(
    refused.reason,
    `the broker at ${other.url} refused our credentials: check nats.user and nats.password`,
  );
});

test('a broker that starts later is found', async t => {
  const late = await makeNatsServer({ jetstream: false, port: await freePort() });
  t.after(() => late.release());
  const { log, lines } = recordLog();
  const connection = connectTo(late.url, { log });
  const states: ConnectionState[] = [];
  connection.onState(state => states.push(state));
  assert.equal(connection.state.kind, 'connecting');
  assert.equal(connection.publish('x', ''), false);
  await assert.rejects(connection.request('x', '', 1_000), { fault: 'disconnected' });
  await assert.rejects(connection.connected(AbortSignal.timeout(700)), { fault: 'disconnected' });
  await late.start();
  await connection.connected();
  assert.deepEqual(
    states.map(state => state.kind),
    ['disconnected', 'connected'],
    'the same failure again is not a change',
  );
  assert.match(states[0]?.kind === 'disconnected' ? states[0].reason : '', /connection refused/);
  assert.deepEqual(
    lines.map(line => line.level),
    ['warn', 'info'],
    'and not a second line in the log',
  );
});

test('after a restart of the broker: waiting requests fail at once, subscriptions work again, and the state is announced', async t => {
  const broker = await startNatsServer({ jetstream: false });
  t.after(() => broker.release());
  const { log, lines } = recordLog();
  const connection = connectTo(broker.url, { log });
  await connection.connected();
  const heard: string[] = [];
  connection.subscribe('silent', () => undefined);
  connection.subscribe('news.>', message => heard.push(message.subject));
  const gone = connection.subscribe('gone', () => heard.push('gone'));
  gone.unsubscribe();
  await connection.flush(5_000);

  const waiting = assert.rejects(connection.request('silent', '', 600_000), { fault: 'disconnected' });
  const states: ConnectionState['kind'][] = [];
  connection.onState(state => {
    states.push(state.kind);
    // When the state becomes connected, the subscriptions work already.
    if (state.kind === 'connected') connection.publish('news.back', '');
  });
  await broker.kill();
  await waiting;
  await stateOf(connection, 'disconnected');
  assert.equal(connection.publish('news.lost', ''), false);
  await assert.rejects(connection.flush(1_000), { fault: 'disconnected' });
  const later = connection.subscribe('later', message => heard.push(message.subject));
  await broker.start();
  await connection.connected();
  connection.publish('later', '');
  connection.publish('gone', '');
  await connection.flush(5_000);
  later.unsubscribe();
  assert.deepEqual(heard, ['news.back', 'later']);
  assert.deepEqual([states[0], states.at(-1)], ['disconnected', 'connected']);
  const told = lines
    .filter(line => /^(connected|lost)/.test(line.message))
    .map(line => line.message.split(':')[0]);
  assert.deepEqual(told, ['connected to the broker', 'lost the broker', 'connected to the broker again']);
  // A link that the other end closes may have been ended on purpose. Only that nobody lets us in again is a warning.
  const warned = lines.filter(({ level }) => level === 'warn').map(({ message }) => message);
  assert.ok(
    warned.every(message => message.startsWith('cannot connect to the broker: ')),
    warned.join(),
  );
});

test('a half-open link is noticed by pings and closed', async t => {
  const broker = await startNatsServer({ jetstream: false });
  t.after(() => broker.release());
  // Longer than a busy machine lets a server wait that is well.
  const connection = connectTo(broker.url, { pingIntervalMs: 1_000, connectTimeoutMs: 1_000 });
  await connection.connected();
  connection.subscribe('silent', () => undefined);
  await connection.flush(5_000);
  const waiting = assert.rejects(connection.request('silent', '', 600_000), { fault: 'disconnected' });
  broker.pause();
  const lost = await stateOf(connection, 'disconnected');
  assert.equal(lost.reason, `the broker at ${broker.url} stopped answering`);
  await waiting;
  await eventually(
    'a new connection notices the hang too',
    () =>
      connection.state.kind === 'disconnected' && /sent no greeting within 1 s/.test(connection.state.reason),
  );
  broker.resume();
  await connection.connected();
});

test('a broker that sends more than can be read before its answers to pings is not taken for one that hangs', async t => {
  let isFlooding = true;
  let links = 0;
  const sent: string[] = [];
  const server = createServer(socket => {
    links++;
    socket.on('error', () => undefined);
    socket.write('INFO {"server_id":"x","version":"2.12.0","max_payload":1048576,"proto":1}\r\n');
    let isIn = false;
    socket.on('data', data => {
      sent.push(...(String(data).match(/PING/g) ?? []));
      if (!isIn) socket.write('PONG\r\n');
      isIn = true;
    });
    const flood = setInterval(() => isIn && isFlooding && socket.write('MSG news 1 1\r\nx\r\n'), 10);
    socket.on('close', () => clearInterval(flood));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const url = `nats://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const connection = connectTo(url, { pingIntervalMs: 200, maxUnansweredPings: 1 });
  await connection.connected();
  // The first ping is part of the login. After two that were not answered, the client gives a link up.
  await eventually('it goes on asking', () => sent.length >= 6);
  assert.deepEqual([connection.state.kind, links], ['connected', 1]);
  isFlooding = false;
  const lost = await stateOf(connection, 'disconnected');
  assert.equal(lost.reason, `the broker at ${url} stopped answering`);
  await connection.close(0);
});

test('the one of two servers that works is used', async () => {
  const dead = `nats://127.0.0.1:${await freePort()}`;
  for (let fraction = 0; fraction < 1; fraction += 0.5) {
    const random = { fraction: () => fraction, uuid: () => '' };
    await connectTo([dead, server.url], { credentials, random }).connected();
  }
});

test('closing sends what is pending and ends every wait', async () => {
  const listener = connectTo(server.url, { credentials });
  await listener.connected();
  const heard: string[] = [];
  listener.subscribe('last.words', message => heard.push(text(message.data)));
  listener.subscribe('silent', () => undefined);
  await listener.flush(5_000);
  const connection = connectTo(server.url, { credentials });
  await connection.connected();
  const waiting = assert.rejects(connection.request('silent', '', 600_000), { fault: 'disconnected' });
  connection.publish('last.words', 'farewell');
  await connection.close();
  await waiting;
  await eventually('the last message', () => heard.length === 1);
  assert.deepEqual(connection.state, { kind: 'closed' });
  assert.equal(connection.publish('x', ''), false);
  await assert.rejects(connection.connected(), { fault: 'disconnected' });
  await connection.close();
});

test('closing does not wait for an attempt that gets no answer', async t => {
  const mute = await listen(() => undefined);
  t.after(() => mute.close());
  const connection = connectTo(mute.url, { connectTimeoutMs: 600_000 });
  await eventually('an attempt', () => mute.sockets.size === 1);
  await connection.close();
  // A socket or a timer that is left would keep this test file from ending.
  await eventually('the end of the attempt', () => mute.sockets.size === 0);
});

test('an attempt that timed out leaves no socket behind', async t => {
  const mute = await listen(() => undefined);
  t.after(() => mute.close());
  const connection = connectTo(mute.url, { connectTimeoutMs: 50 });
  await eventually('some attempts', () => mute.accepted > 3);
  await connection.close();
  await eventually('no socket', () => mute.sockets.size === 0);
});

/** Publishes by hand, with a reply subject that no client would use. Resolves when the broker has the message. */
async function rawPublish(port: number, token: string, subject: string, reply: string): Promise<void> {
  const socket = connectSocket(port, '127.0.0.1');
  const lines = [
    `CONNECT {"auth_token":"${token}","verbose":false}`,
    `PUB ${subject} ${reply} 0`,
    '',
    'PING',
    '',
  ];
  socket.write(lines.join('\r\n'));
  let answer = '';
  for await (const chunk of socket) {
    answer += String(chunk);
    if (answer.includes('PONG')) return;
  }
  assert.fail(answer);
}

/**
 * Connects to a server that answers pings, and gives each text that comes to `onText` with the socket, until the link is lost. Returns
 * the line that says so in the log.
 */
async function lossAfter(t: TestContext, onText: (text: string, socket: Socket) => void) {
  const server = createServer(socket => {
    socket.on('error', () => undefined);
    socket.write('INFO {"server_id":"x","version":"2.12.0","max_payload":1048576,"proto":1}\r\n');
    socket.on('data', data => {
      if (String(data).includes('PING')) socket.write('PONG\r\n');
      onText(String(data), socket);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { log, lines } = recordLog();
  const connection = connectTo(`nats://127.0.0.1:${(server.address() as AddressInfo).port}`, { log });
  await connection.connected();
  connection.publish('end', '');
  await stateOf(connection, 'disconnected');
  await connection.close(0);
  return lines.find(({ message }) => message.startsWith('lost the broker'));
}

test('a link that the other end resets was ended by it, which is no warning', async t => {
  const lost = await lossAfter(t, (text, socket) => {
    if (text.includes('PUB')) socket.resetAndDestroy();
  });
  assert.match(lost?.message ?? '', /ECONNRESET/);
  assert.equal(lost?.level, 'info');
});

test('why the broker ends a link is told, also when the link is reset before all that it was sent is read', async t => {
  const lost = await lossAfter(t, (text, socket) => {
    // The answer to the ping shows that the error before it was read.
    if (text.includes('PUB')) socket.write("-ERR 'User Authentication Revoked'\r\nPING\r\n");
    if (text.includes('PONG')) socket.resetAndDestroy();
  });
  assert.match(lost?.message ?? '', /User Authentication Revoked/);
  assert.equal(lost?.level, 'warn');
});
