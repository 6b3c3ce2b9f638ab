// A requester, agents and a real NATS server whose configuration is what `muster broker config` prints.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { loadOwnNatsAccess } from '../../agent/broker/broker-access.ts';
import { type JoinCode, readJoinCode } from '../../agent/protocol/join-code.ts';
import { keyPairOf } from '../../agent/transport/key-pair.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/listener.ts';
import { hearEvents, readEvents } from '../support/listener-programs.ts';
import { makeListener } from '../support/make-listener.ts';
import { makeNatsServer, type NatsServer } from '../support/nats-server.ts';
import { printOwnNatsConfig } from '../support/own-nats.ts';
import type { Program } from '../support/program.ts';
import { newKey, RawClient } from '../support/raw-client.ts';

const otherPassword = 'the-right-password';
const mistyped = 'the-rihgt-password';

describe('a NATS server of your own', () => {
  let server: NatsServer;
  let cluster: Cluster;
  let requester: Program;
  let config: string;
  const ports = { leaf: 0, websocket: 0, mqtt: 0 };

  before(async () => {
    server = await makeNatsServer();
    cluster = await Cluster.create({ servers: server.url, asks: true });
    for (const name of ['leaf', 'websocket', 'mqtt'] as const) ports[name] = await freePort();
    // The server of somebody who has users of another account, and every other door open.
    const other = `OTHER { users: [ { user: ada, password: "${otherPassword}" } ] }\n  MUSTER_BYSTANDER {`;
    config = [
      (await printOwnNatsConfig(cluster)).replace('MUSTER_BYSTANDER {', other),
      'server_name: own',
      `leafnodes { listen: "127.0.0.1:${ports.leaf}" }`,
      `websocket { listen: "127.0.0.1:${ports.websocket}", no_tls: true }`,
      `mqtt { listen: "127.0.0.1:${ports.mqtt}" }`,
    ].join('\n');
    await server.start(config);
    requester = await cluster.requester({ 'log.level': 'debug' });
  });

  after(async () => {
    await cluster?.release();
    await server?.release();
  });

  const strangers = async () => (await cluster.status()).counters.strangers;
  /** Runs `knock`, and resolves when the requester was asked about as many clients as that says. */
  const untilAsked = async (count: number, knock: () => Promise<void>) => {
    const before = await strangers();
    await knock();
    await eventually(
      `${count} strangers were asked about`,
      async () => (await strangers()) >= before + count,
    );
  };

  it('lets nodes in by join codes, and only their keys speak for them', async () => {
    assert.equal((await cluster.status()).trust, 'keys');
    await cluster.agent('node-1');
    await cluster.decide('node-1', 'approve');
    await cluster.until('node-1', 'APPROVED HEALTHY');
    assert.ok((await cluster.node('node-1'))?.Muster.Fingerprint);
    const { servers, pins } = await codeOf(cluster);
    assert.deepEqual([servers, pins], [[server.url], []]);
    const rogue = await RawClient.dial(server.port);
    rogue.connect({ key: newKey(), name: 'node-1 instance=rogue' });
    assert.equal(await rogue.isLetIn(), true, 'a wrong key may ask why');
    rogue.publish('node.management.node-1.Leave/v1', '{}');
    assert.match((await rogue.complaints()).join(), /Permissions Violation for Publish/);
    rogue.close();
  });

  it('lets listeners in, each with the events of its durable alone, and cuts one off that is revoked', async () => {
    const listener = await makeListener(cluster, 'billing', '--from-oldest');
    const reader = await readEvents(listener, 'org.muster.node.approved');
    const live = await hearEvents(server.port, listener);
    await cluster.decide('node-1', 'reject');
    await eventually('it hears the event', () =>
      live.messages.some(({ data }) => data.includes('.rejected')),
    );
    assert.equal((await cluster.command('listener', 'revoke', 'billing')).stdout, 'Ok\n');
    await Promise.all([live.closed, eventually('both are cut off', () => reader.isClosed())]);
  });

  it('takes no leaf node, no websocket and no MQTT client, whatever key or code they show', async t => {
    const { token } = await codeOf(cluster);
    const key = newKey();
    const leaf = await RawClient.dial(ports.leaf);
    t.after(() => leaf.close());
    const name = 'node-9 instance=nine';
    await untilAsked(3, async () => {
      leaf.connect({ key, name, token });
      await openWebSocket(ports.websocket, t, info => ({
        nkey: key.userKey,
        sig: RawClient.sign(key, info.nonce ?? ''),
        auth_token: token,
        name,
      }));
      const mqtt = createConnection({ port: ports.mqtt, host: '127.0.0.1' });
      t.after(() => mqtt.destroy());
      mqtt.write(mqttConnect('node-9', 'node-9', token));
    });
    assert.equal(await cluster.stateOf('node-9'), undefined);
    const plain = await RawClient.open(server.port, { key, name, token });
    plain.close();
  });

  it('leaves the users of other accounts alone, and tells nobody a password that was mistyped', async t => {
    const before = await strangers();
    const members = { user: 'ada', pass: otherPassword };
    const ada = await RawClient.open(server.port, { name: 'ada', members });
    ada.close();
    assert.equal(await strangers(), before);
    const mistaken = await RawClient.dial(server.port);
    t.after(() => mistaken.close());
    await untilAsked(1, async () =>
      mistaken.connect({ name: 'ada', members: { user: 'ada', pass: mistyped } }),
    );
    assert.ok(!requester.stderr.includes(mistyped) && !requester.stderr.includes(otherPassword));
  });

  it('lets the bystander in without a question, and he may do nothing', async t => {
    const before = await strangers();
    const { bystander: key } = await loadOwnNatsAccess(join(cluster.folderOf('node-0'), 'requester'));
    const bystander = await RawClient.open(server.port, { key, name: 'node-1 instance=bystander' });
    t.after(() => bystander.close());
    assert.equal(await strangers(), before);
    const subjects = [
      '>',
      'node.events.>',
      'node.management.node-1.Leave/v1',
      'unverified.node.management.node-1.Leave/v1',
      '_INBOX.>',
      '$JS.API.INFO',
      '$SYS.REQ.USER.AUTH',
      '$SYS.REQ.SERVER.PING.CONNZ',
    ];
    for (const subject of subjects) bystander.subscribe(subject);
    for (const subject of subjects.filter(each => !each.includes('>'))) bystander.publish(subject, '{}');
    assert.equal((await bystander.complaints()).length, 13);
    await cluster.decide('node-1', 'approve');
    await cluster.until('node-1', 'APPROVED HEALTHY');
    await bystander.complaints();
    assert.deepEqual(bystander.messages, []);
  });

  it('lets nobody ask in the place of a server, not even the key of the requester', async () => {
    const { requester: key } = await loadOwnNatsAccess(join(cluster.folderOf('node-0'), 'requester'));
    const forger = await RawClient.open(server.port, { key, name: 'forger' });
    forger.publish('$SYS.REQ.USER.AUTH', 'a question', '$SYS._INBOX.forged');
    assert.match((await forger.complaints()).join(), /Permissions Violation for Publish/);
    forger.close();
  });

  it('is not served when it asks in another way than the requester needs', async t => {
    await requester.stop();
    const faults: [what: string, change: (text: string) => string, expected: RegExp][] = [
      ['xkey', text => text.replace(/xkey: .*/, ''), /xkey is missing/],
      [
        'its issuer',
        text => text.replace(/issuer: .*/, `issuer: ${keyPairOf(randomBytes(32), 'account').publicKey}`),
        /the issuer is not the key/,
      ],
      ['allowed_accounts', text => text.replace(/allowed_accounts: .*/, ''), /allowed_accounts is missing/],
      [
        'imports',
        text => text.replaceAll(/\{ service: \{ account: SYS.*\}/g, ''),
        /may not list and end connections/,
      ],
    ];
    for (const [what, change, expected] of faults) {
      const changed = change(config);
      assert.notEqual(changed, config, what);
      await server.kill();
      await server.start(changed);
      const refusing = await cluster.requester({}, { wait: false });
      assert.equal((await refusing.finished).code, 78, what);
      assert.match(refusing.stderr, expected, what);
      assert.doesNotMatch(refusing.stderr, /the requester is ready/, what);
      t.diagnostic(`refused without ${what}`);
    }
  });

  it('is shared when it does not ask, which the requester says, and refuses when identity is required', async () => {
    await server.kill();
    await server.start('authorization { token: "t" }');
    // On Linux, this address leads to this machine, and nobody can tell that by looking at it.
    const unencrypted = { 'nats.servers': `nats://0.0.0.0:${server.port}` };
    const settings = { ...unencrypted, 'nats.token': 't', 'broker.approved.publish': 'results.{nodeId}' };
    const strict = await cluster.requester(
      { ...settings, 'requester.requireIdentity': true },
      { wait: false },
    );
    assert.equal((await strict.finished).code, 78);
    assert.match(strict.stderr, /does not ask this requester whom to let in/);
    const shared = await cluster.requester(settings);
    assert.match(shared.stderr, /approval is bookkeeping there/);
    assert.match(shared.stderr, /broker\.approved opens nothing here.*muster broker config/);
    const open = await cluster.agent('node-7', { ...unencrypted, 'nats.token': 't' });
    for (const program of [shared, open]) assert.match(program.stderr, /is not encrypted: .*tls:\/\//);
    assert.equal((await cluster.status()).trust, 'shared');
    const unbanned = await cluster.command('node', 'unban', 'AAAA-AAAA-AAAA-AAAA');
    assert.match(unbanned.stderr, /does not ask .* whom to let in.*\nHint: .*muster broker config/);
    await shared.stop();
    await server.kill();
    await server.start(config);
    requester = await cluster.requester();
    await server.kill();
    await server.start('no_sys_acc: false');
    assert.equal((await requester.finished).code, 78);
    assert.match(requester.stderr, /does not ask this requester any more/);
  });
});

/** Connects by a websocket, and sends a CONNECT with the members that `login` returns. */
async function openWebSocket(
  port: number,
  t: TestContext,
  login: (info: { nonce?: string }) => object,
): Promise<void> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  t.after(() => socket.close());
  socket.binaryType = 'arraybuffer';
  const greeting = Promise.withResolvers<string>();
  socket.onmessage = ({ data }) => greeting.resolve(Buffer.from(data as ArrayBuffer).toString());
  socket.onerror = () => greeting.reject(new Error('no websocket'));
  const info = JSON.parse((await greeting.promise).slice('INFO '.length)) as { nonce?: string };
  const members = { verbose: false, pedantic: false, lang: 'ws', version: '1', protocol: 1, ...login(info) };
  socket.send(Buffer.from(`CONNECT ${JSON.stringify(members)}\r\nPING\r\n`));
}

/** Returns the packet CONNECT of MQTT 3.1.1. */
function mqttConnect(client: string, user: string, password: string): Buffer {
  const text = (value: string) => {
    const bytes = Buffer.from(value);
    return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
  };
  const body = Buffer.concat([
    text('MQTT'),
    Buffer.from([4, 0b1100_0010, 0, 60]),
    text(client),
    text(user),
    text(password),
  ]);
  return Buffer.concat([Buffer.from([0x10, body.length]), body]);
}

async function codeOf(cluster: Cluster): Promise<JoinCode> {
  const reading = readJoinCode(await cluster.joinCode());
  assert.ok(reading.kind === 'valid');
  return reading.code;
}
