// Tests which addresses of brokers an agent learns, trusts, keeps and forgets.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  LearnedBrokers,
  learnedBrokersFile,
  readLearnedBrokers,
  trustedAddresses,
  withNamed,
  withoutOwnContainers,
} from '../../../agent/compute/registration/learned-brokers.ts';
import { limitedLog } from '../../../agent/system/limited-log.ts';
import { parseServers } from '../../../agent/transport/server.ts';
import type { TlsFiles } from '../../../agent/transport/tls.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { recordLog } from '../../support/log-lines.ts';

const folder = await mkdtemp(join(tmpdir(), 'muster-learned-'));
after(() => rm(folder, { recursive: true }));
const pins = { pins: ['p'.repeat(43)] };
const told = ['tls://a.example:4222'];
const addresses = ['a.example:4222', 'b.example:4222', '127.0.0.1:4223', '[::1]:4224'];

function namedBy(url: string, isEncrypted: boolean, tls: TlsFiles): string[] {
  const [by] = parseServers([url]);
  assert.ok(by);
  return trustedAddresses({ addresses, by, isEncrypted }, tls);
}

test('addresses are trusted only where the node knows the CA and TLS began before the greeting', () => {
  const all = addresses.map(address => `tls://${address}`);
  assert.deepEqual(namedBy('tls://a.example', true, pins), all);
  assert.deepEqual(namedBy('tls://a.example', true, { caFile: '/ca.pem', handshakeFirst: true }), all);
  assert.deepEqual(namedBy('tls://a.example', true, { caFile: '/ca.pem' }), []);
  assert.deepEqual(namedBy('tls://a.example', true, { handshakeFirst: true }), []);
  assert.deepEqual(namedBy('tls://a.example', true, {}), []);
});

test('without TLS, only addresses of this machine are trusted, and only from a broker of this machine', () => {
  assert.deepEqual(namedBy('nats://a.example', false, {}), []);
  assert.deepEqual(namedBy('nats://127.0.0.1', false, {}), ['nats://127.0.0.1:4223', 'nats://[::1]:4224']);
});

test('an address on a network of its own containers is not learned, unless its broker is there', () => {
  const network = (address: string, cidr: string) => ({
    address,
    cidr,
    family: address.includes(':') ? ('IPv6' as const) : ('IPv4' as const),
    netmask: '',
    mac: '',
    internal: false,
    scopeid: 0,
  });
  const interfaces = {
    eth0: [network('192.0.2.7', '192.0.2.7/24')],
    docker0: [network('172.17.0.1', '172.17.0.1/16'), network('fd00:1::1', 'fd00:1::1/64')],
  };
  const named = [
    '192.0.2.2:4222',
    '172.17.0.1:4222',
    '[fd00:1::1]:4222',
    '[fd00:2::1]:4222',
    'b.example:4222',
  ];
  const learn = (url: string) => {
    const [by] = parseServers([url]);
    assert.ok(by);
    return withoutOwnContainers({ addresses: named, by, isEncrypted: true }, interfaces);
  };
  assert.deepEqual(learn('tls://a.example'), ['192.0.2.2:4222', '[fd00:2::1]:4222', 'b.example:4222']);
  assert.deepEqual(learn('tls://172.17.0.9'), named);
});

test('what is named is kept beside what the node was told of, and forgotten after seven days without a word', () => {
  const day = (number: number) => new Date(Date.UTC(2026, 0, number));
  let known = withNamed({ told, learned: [] }, ['tls://a.example:4222', 'tls://b.example:4222'], day(1));
  assert.deepEqual(known.learned, [{ address: 'tls://b.example:4222', named: day(1).toISOString() }]);
  known = withNamed(known, ['tls://c.example:4222'], day(7));
  assert.deepEqual(
    known.learned.map(each => each.address),
    ['tls://c.example:4222', 'tls://b.example:4222'],
  );
  known = withNamed(known, ['tls://c.example:4222'], day(8));
  assert.deepEqual(
    known.learned.map(each => each.address),
    ['tls://c.example:4222'],
  );
  const many = Array.from({ length: 16 }, (_, index) => `tls://h${index}.example:4222`);
  assert.deepEqual(
    withNamed(known, many, day(9)).learned.map(each => each.address),
    many,
  );
});

test('the file is not written for another time of the same day', () => {
  const at = (hour: number) => new Date(Date.UTC(2026, 0, 1, hour));
  const known = withNamed({ told, learned: [] }, ['tls://b.example:4222'], at(1));
  assert.deepEqual(withNamed(known, ['tls://b.example:4222'], at(23)), known);
});

async function open(servers: readonly string[], tls: TlsFiles = pins) {
  const clock = new FakeClock();
  const { log, lines } = recordLog();
  const options = { folder, node: 'n', clock, interfaces: () => ({}), limitedLog: limitedLog(log, clock) };
  const learned = await LearnedBrokers.load({ ...options, broker: () => ({ servers, tls }) });
  const [by] = parseServers(servers);
  assert.ok(by);
  const hear = (addresses: string[]) => learned.onNamed({ addresses, by, isEncrypted: true });
  return { learned, hear, lines };
}

/** Resolves when the file has this many addresses. */
async function written(count: number): Promise<void> {
  while ((await readLearnedBrokers(folder).catch(() => undefined))?.learned.length !== count);
}

test('what was learned outlives the agent, until it is told of other brokers or trusts no CA', async () => {
  const first = await open(told);
  assert.deepEqual(first.learned.addresses, []);
  first.hear(['b.example:4222']);
  assert.deepEqual(first.learned.addresses, ['tls://b.example:4222']);
  await written(1);
  assert.deepEqual((await open(told)).learned.addresses, ['tls://b.example:4222']);
  assert.deepEqual((await open(told, {})).learned.addresses, []);
  const moved = await open(['tls://elsewhere.example:4222']);
  assert.deepEqual(moved.learned.addresses, []);
  moved.hear(['c.example:4222', 'd.example:4222']);
  await written(2);
  assert.deepEqual((await open(told)).learned.addresses, []);
});

test('a file that cannot be read is said, and replaced by what is named next', async () => {
  const path = join(folder, learnedBrokersFile);
  const bad = ['nats://', 'http://b:1', 'tls://user:word@b:1', 'b:1'].map(address =>
    JSON.stringify({ version: 1, told, learned: [{ address, named: '2026-01-01T00:00:00Z' }] }),
  );
  for (const text of ['', '{', '{"version":2,"told":[],"learned":[]}', ...bad]) {
    await writeFile(path, text);
    const { learned, lines } = await open(told);
    assert.deepEqual(learned.addresses, [], text);
    assert.match(JSON.stringify(lines), /cannot be read; they are learned again/);
  }
  const { hear } = await open(told);
  hear(['b.example:4222']);
  await written(1);
  assert.match(await readFile(path, 'utf8'), /"tls:\/\/b\.example:4222"/);
});
