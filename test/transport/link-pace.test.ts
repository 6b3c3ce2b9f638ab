// Tests the pace of real links: what a pause leaves unread, what is written at its beginning, and that nothing is lost or swapped.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { dial } from '../../agent/transport/dial.ts';
import { LinkPace } from '../../agent/transport/link-pace.ts';
import type { Source } from '../../agent/transport/reading-pace.ts';
import { parseServers } from '../../agent/transport/server.ts';
import { makeAuthority, makeCertificate } from '../support/certificates.ts';
import { connectTo, text } from '../support/connections.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';

const folder = await mkdtemp(join(tmpdir(), 'muster-pace-'));
const authority = await makeAuthority(folder, 'authority');
const { certFile, keyFile } = await makeCertificate(folder, authority, 'ours', 'IP:127.0.0.1');
const server = await startNatsServer({ jetstream: false });
const encrypted = await startNatsServer({
  scheme: 'tls',
  jetstream: false,
  config: `tls { cert_file: "${certFile}", key_file: "${keyFile}" }`,
});
after(async () => {
  await Promise.all([server.release(), encrypted.release()]);
  await rm(folder, { recursive: true });
});

// Connects to `to`. `socket` returns what is read, after the first piece.
async function dialTo(to: NatsServer) {
  let source: Source | undefined;
  const reading = {
    onPiece: (_: number, from: Source) => {
      source = from;
    },
  };
  const writing = { onFrame: () => undefined, plan: (write: () => void) => write() };
  const settings = {
    name: 'test',
    credentials: {},
    tls: to === encrypted ? { caFile: authority.certFile } : undefined,
    timeoutMs: 30_000,
    pingIntervalMs: 600_000,
    pace: { reading, writing },
    now: () => new Date(),
  };
  const [address] = parseServers([to.url]);
  assert.ok(address);
  const { link } = await dial(address, settings, new AbortController().signal);
  return { link, socket: () => source as Socket };
}

for (const [kind, to] of [
  ['a link', server],
  ['an encrypted link', encrypted],
] as const)
  test(`what comes while ${kind} pauses is left to the operating system, and read together`, async t => {
    const [receiver, sender] = [await dialTo(to), await dialTo(to)];
    t.after(() => Promise.all([receiver.link.close(), sender.link.close()]));
    const heard: number[] = [];
    receiver.link.subscribe('a', { callback: (_, { data }) => heard.push(Number(text(data))) });
    await receiver.link.flush();
    const { socket } = receiver;
    let sent = 0;
    const send = () => {
      sender.link.publish('a', String(sent++));
      return sender.link.flush();
    };
    const before = socket().bytesRead;
    socket().pause();
    // The first piece shows the socket that nobody takes it. After that, it reads no more.
    while (socket().bytesRead === before) await send();
    const { bytesRead } = socket();
    for (let i = 0; i < 100; i++) await send();
    assert.equal(socket().bytesRead, bytesRead);
    socket().resume();
    await receiver.link.flush();
    assert.deepEqual(heard, [...Array(sent).keys()]);
  });

test('what waits to be written is written before a pause', async () => {
  const clock = new FakeClock();
  const pace = new LinkPace(clock);
  const done: string[] = [];
  const source = { pause: () => done.push('pause'), resume: () => done.push('resume') };
  const arrive = () => {
    pace.reading.onPiece(20_000, source);
    for (let frame = 0; frame < 30; frame++) pace.writing.onFrame();
  };
  arrive();
  await clock.advance(100);
  arrive();
  pace.writing.plan(() => done.push('write'));
  await clock.settle();
  await clock.settle();
  assert.deepEqual(done.splice(0), ['write', 'pause']);
  await clock.advance(10);
  assert.deepEqual(done, ['resume']);
  assert.equal(clock.pending, 0);
});

test('a link that somebody awaits is read and written at once', async () => {
  const clock = new FakeClock();
  const pace = new LinkPace(clock);
  const done: string[] = [];
  const source = { pause: () => done.push('pause'), resume: () => done.push('resume') };
  pace.reading.onPiece(20_000, source);
  pace.writing.onFrame();
  await clock.advance(100);
  for (let frame = 0; frame < 30; frame++) pace.writing.onFrame();
  await clock.advance(100);
  pace.reading.onPiece(40_000, source);
  pace.writing.onFrame();
  await clock.settle();
  await clock.settle();
  pace.writing.plan(() => done.push('write'));
  assert.deepEqual(done.splice(0), ['pause']);
  pace.hurry();
  assert.deepEqual(done, ['write', 'resume']);
  assert.equal(clock.pending, 0);
});

test('a requester in miniature answers each of many requests on a busy link', async () => {
  const [sender, receiver] = [connectTo(server.url), connectTo(server.url)];
  await Promise.all([sender.connected(), receiver.connected()]);
  receiver.subscribe('ask', message => void setImmediate(() => message.respond(message.data)));
  await receiver.flush(30_000);
  const answers: Promise<string>[] = [];
  for (let i = 0; i < 20_000; i++) {
    answers.push(sender.request('ask', String(i), 60_000).then(({ data }) => text(data)));
    if (i % 20 === 0) await new Promise(setImmediate);
  }
  assert.deepEqual(
    await Promise.all(answers),
    answers.map((_, index) => String(index)),
  );
  await Promise.all([sender.close(), receiver.close()]);
});
