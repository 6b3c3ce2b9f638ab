// Each reason why the broker cannot be reached has its own sentence.
import assert from 'node:assert/strict';
import { randomBytes, X509Certificate } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeAuthority, makePrivateKey } from '../../agent/broker/tls/certificate.ts';
import type { Credentials } from '../../agent/transport/credentials.ts';
import { type Attempt, explainCertificate, explainFailure } from '../../agent/transport/failure.ts';
import { keyPairOf } from '../../agent/transport/key-pair.ts';
import { connectTo, stateOf } from '../support/connections.ts';
import { eventually } from '../support/eventually.ts';
import { freePort, listen } from '../support/listener.ts';
import { recordLog } from '../support/log-lines.ts';
import { startNatsServer } from '../support/nats-server.ts';

const server = await startNatsServer({ config: 'authorization { token: "right" }', jetstream: false });
const folder = await mkdtemp(join(tmpdir(), 'muster-failure-'));
after(async () => {
  await server.release();
  await rm(folder, { recursive: true });
});

async function failure(url: string, options: Parameters<typeof connectTo>[1] = {}) {
  const connection = connectTo(url, options);
  const { fault, reason } = await stateOf(connection, 'disconnected');
  await connection.close();
  return { fault, reason };
}

async function file(name: string, content: string | Uint8Array): Promise<string> {
  await writeFile(join(folder, name), content);
  return join(folder, name);
}

test('a broker that refuses the credentials has its own sentence', async () => {
  const { url } = server;
  const refused = `the broker at ${url} refused our credentials: check`;
  const tokenFile = await file('wrong-token', 'wrong');
  const cases: [Credentials, string][] = [
    [{ token: 'wrong' }, `${refused} nats.token`],
    [{ tokenFile }, `${refused} nats.tokenFile (${tokenFile})`],
    [
      {},
      `the broker at ${url} wants credentials and none are set: set nats.token, nats.tokenFile, nats.user or nats.credsFile`,
    ],
  ];
  for (const [credentials, reason] of cases)
    assert.deepEqual(await failure(url, { credentials: () => credentials }), {
      fault: 'unauthorized',
      reason,
    });
});

test('credentials that cannot be read have their own sentence', async () => {
  const empty = await file('empty', ' \n');
  const large = await file('large', 'x'.repeat(20_000));
  const creds = await file('creds', 'this is a secret but no creds file');
  const missing = join(folder, 'missing');
  const cases: [Credentials, string][] = [
    [{ tokenFile: missing }, `nats.tokenFile: there is no file ${missing}`],
    [{ tokenFile: empty }, `nats.tokenFile: ${empty} is empty`],
    [{ tokenFile: large }, `nats.tokenFile: cannot read ${large}: larger than 16384 bytes`],
    [{ tokenFile: folder }, `nats.tokenFile: cannot read ${folder}: not a regular file`],
    [{ user: 'ann', passwordFile: missing }, `nats.passwordFile: there is no file ${missing}`],
    [{ credsFile: missing }, `nats.credsFile: there is no file ${missing}`],
    [{ credsFile: creds }, `nats.credsFile: ${creds} is not a NATS credentials file`],
  ];
  for (const [credentials, reason] of cases)
    assert.deepEqual(await failure(server.url, { credentials: () => credentials }), {
      fault: 'credentials',
      reason,
    });
});

test('a port without a listener and an unknown host name have their own sentences', async () => {
  const port = await freePort();
  assert.deepEqual(await failure(`127.0.0.1:${port}`), {
    fault: 'unreachable',
    reason: `nothing listens at nats://127.0.0.1:${port} (connection refused): is the broker running there?`,
  });
  const { fault, reason } = await failure('nats://no-such-host.invalid:4222');
  assert.equal(fault, 'unreachable');
  assert.match(reason, /^cannot find the host no-such-host\.invalid of nats:/);
});

test('a server that is not a NATS server, closes the connection or sends nothing has its own sentence', async t => {
  const web = await listen(socket => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
  const babble = await listen(socket => socket.write(`INFO ${'x'.repeat(70_000)}`));
  const broken = await listen(socket => socket.write('INFO {"version": \r\n'));
  const bare = await listen(socket => socket.write('INFO {}\r\n'));
  const strange = await listen(socket => socket.write('INFO {"max_payload":1,"version":"\\u001b[2J"}\r\n'));
  const shut = await listen(socket => socket.destroy());
  const mute = await listen(() => undefined);
  t.after(() => Promise.all([web, babble, broken, bare, strange, shut, mute].map(each => each.close())));
  for (const { url } of [web, babble, broken, bare, strange])
    assert.deepEqual(await failure(url), {
      fault: 'protocol',
      reason: `what answers at ${url} is not a NATS server: check nats.servers`,
    });
  assert.deepEqual(await failure(shut.url), {
    fault: 'unreachable',
    reason: `the broker at ${shut.url} closed the connection before it was made`,
  });
  assert.deepEqual(await failure(mute.url, { connectTimeoutMs: 1_000 }), {
    fault: 'unreachable',
    reason: `${mute.url} accepts connections but sent no greeting within 1 s: it hangs, is no NATS server, or wants nats.tls.handshakeFirst`,
  });
});

test('a broker that refuses the connection or never answers the login has its own sentence', async t => {
  const info = 'INFO {"max_payload":1048576,"version":"2.12.0","headers":true}\r\n';
  const full = await listen(socket => {
    socket.write(info);
    socket.once('data', () => socket.end("-ERR 'maximum connections exceeded'\r\n"));
  });
  const silent = await listen(socket => socket.write(info));
  t.after(() => Promise.all([full.close(), silent.close()]));
  assert.deepEqual(await failure(full.url), {
    fault: 'unreachable',
    reason: `the broker at ${full.url} turned us away: 'maximum connections exceeded'`,
  });
  assert.deepEqual(await failure(silent.url, { connectTimeoutMs: 1_000 }), {
    fault: 'unreachable',
    reason: `the broker at ${silent.url} greeted us but did not answer our login within 1 s: its requester does not know us or is away, or it hangs`,
  });
  // A requester does not answer for a key that it does not know, so the remedy is to join.
  const asking = await listen(socket =>
    socket.write(info.replace('"headers"', '"nonce":"abcdefghijkl","headers"')),
  );
  t.after(() => asking.close());
  const key = keyPairOf(randomBytes(32), 'node');
  const refused = await failure(asking.url, { connectTimeoutMs: 1_000, credentials: () => ({ key }) });
  assert.equal(refused.fault, 'unauthorized');
});

test('a link that receives nonsense is closed and made again', async t => {
  const info = 'INFO {"max_payload":1048576,"version":"2.12.0","headers":true}\r\n';
  const mad = await listen(socket => {
    socket.write(info);
    socket.once('data', () => socket.write('PONG\r\nNONSENSE\r\n'));
  });
  t.after(() => mad.close());
  // The client writes what it could not parse to the console.
  t.mock.method(console, 'log', () => undefined);
  const connection = connectTo(mad.url);
  await eventually('a second attempt', () => mad.accepted > 1);
  await connection.close();
});

test('an operation that the broker does not permit is logged, and a request says so', async t => {
  const strict = await startNatsServer({
    jetstream: false,
    config: `authorization { users: [{
      user: "u", password: "p", permissions: { publish: ["ok", "_INBOX.>"], subscribe: ["ok", "_INBOX.>"] }
    }] }`,
  });
  t.after(() => strict.release());
  const { log, lines } = recordLog();
  const connection = connectTo(strict.url, { log, credentials: () => ({ user: 'u', password: 'p' }) });
  await connection.connected();
  const heard: string[] = [];
  connection.subscribe('forbidden.in', message => heard.push(message.subject));
  connection.subscribe('ok', message => heard.push(message.subject));
  connection.publish('forbidden.out', '');
  await assert.rejects(connection.request('forbidden.ask', '', 5_000), { fault: 'not_permitted' });
  connection.publish('ok', '');
  await eventually('a message', () => heard.length > 0);
  assert.deepEqual(heard, ['ok']);
  const denied = () => lines.filter(line => line.message === 'the broker does not permit this');
  await eventually('the lines', () => denied().length === 3);
  assert.deepEqual(
    denied().map(line => `${line.fields.operation} ${line.fields.subject}`),
    ['subscription forbidden.in', 'publish forbidden.out', 'publish forbidden.ask'],
  );
});

test('no secret is in any state or log line', async t => {
  const { log, lines } = recordLog();
  const secretFile = await file('secret', 's3cret-in-file');
  await chmod(secretFile, 0o600);
  const states: string[] = [];
  for (const credentials of [
    { token: 's3cret' },
    { tokenFile: secretFile },
    { user: 'ann', password: 's3cret' },
  ]) {
    const connection = connectTo(server.url, { log, credentials: () => credentials });
    states.push(JSON.stringify(await stateOf(connection, 'disconnected')));
    t.after(() => connection.close());
  }
  assert.equal(states.length, 3);
  assert.doesNotMatch(JSON.stringify([states, lines]), /s3cret/);
});

test('errors that this test cannot cause have their sentences too', () => {
  const attempt: Attempt = {
    label: 'nats://b:1',
    host: 'b',
    port: 1,
    stage: 'connecting',
    timeoutMs: 5_000,
    credentials: 'nats.credsFile (/c)',
    caFile: undefined,
    certFile: undefined,
    handshakeFirst: false,
    serverName: 'b',
    pins: [],
    now: new Date(),
    isEncrypted: false,
  };
  const cases: [string, string, RegExp][] = [
    ['EAI_AGAIN', 'unreachable', /the name service does not answer/],
    ['EHOSTUNREACH', 'unreachable', /^no route to the broker at nats:\/\/b:1/],
    ['ETIMEDOUT', 'unreachable', /does not answer \(timed out\)/],
    ['TIMEOUT', 'unreachable', /does not answer \(no connection within 5 s\)/],
    ['AUTHENTICATION_EXPIRED', 'unauthorized', /have expired: check nats\.credsFile \(\/c\)/],
    ['ESOMETHING', 'unreachable', /^cannot connect to the broker at nats:\/\/b:1: it broke$/],
  ];
  for (const [code, fault, reason] of cases) {
    const explained = explainFailure(Object.assign(new Error('it broke'), { code }), attempt);
    assert.equal(explained.fault, fault, code);
    assert.match(explained.message, reason, code);
  }
  const key = makePrivateKey();
  const chain = [new X509Certificate(makeAuthority(key, new Date(0)))];
  const refused = explainCertificate(
    'CERT_NOT_YET_VALID',
    { chain, fault: undefined },
    { ...attempt, now: new Date(-1_000) },
  );
  assert.equal(
    refused.message,
    'the certificate of the broker at nats://b:1 is not valid yet: it is valid from 1970-01-01T00:00:00Z, and the clock of this machine says 1969-12-31T23:59:59Z; one of the two is wrong',
  );
  const strange = explainCertificate('\u001b[2J', { chain, fault: undefined }, attempt);
  assert.match(strange.message, /is refused: [^\u001b]+$/);
});
