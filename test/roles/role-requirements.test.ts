// What a role refuses before it starts is found in the settings, with the places where they are set.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadSettings } from '../../agent/config/load.ts';
import type { Role } from '../../agent/config/role.ts';
import { encodePublicKey } from '../../agent/protocol/nkey.ts';
import { checkRoleRequirements } from '../../agent/roles/role-requirements.ts';
import { configFile, faultsOf, surroundings } from '../config/surroundings.ts';

const loadAt = (path: string, role: Role | undefined) =>
  loadSettings({
    configFile: path,
    environment: surroundings(),
    findMoreConflicts: settings => checkRoleRequirements(role, settings),
  });

test('equal ports of broker and API are a fault of a requester, with both lines', async t => {
  const path = await configFile(t, 'api:\n  port: 4222\nbroker:\n  port: 4222\n');
  const text =
    'api.port: 4222 is also broker.port, and a requester listens on both; allowed: two different ports, or 0 for a free one';
  assert.deepEqual(await faultsOf(loadAt(path, 'requester')), [`${path}:2, ${path}:4: ${text}`]);
  assert.deepEqual((await loadAt(path, undefined)).warnings, [`${path}:2, ${path}:4: ${text}`]);
  assert.deepEqual((await loadAt(path, 'agent')).warnings, []);
  const withDefault = await configFile(t, 'log: {level: info}\napi: {port: 4222}\n');
  assert.deepEqual(await faultsOf(loadAt(withDefault, 'requester')), [`${withDefault}:2: ${text}`]);
});

test('equal ports are no fault where both can be listened on', async t => {
  const load = async (text: string) => loadAt(await configFile(t, text), 'requester');
  await load('api: {port: 0}\nbroker: {port: 0}\n');
  await load('api: {port: 4222}\nnats: {servers: [nats://head:4223]}\n');
  await load('api: {port: 4222, host: "::1"}\n');
  await load('api: {port: 4222, host: "::1"}\nbroker: {host: 0.0.0.0}\n');
  await load('api: {port: 4222, host: 127.0.0.2}\n');
  for (const host of ['0.0.0.0', '"::"', '127.0.0.1', 'localhost']) {
    const text = `api: {port: 4222}\nbroker: {host: ${host}}\n`;
    await assert.rejects(load(text), { code: 'bad_config' }, host);
  }
});

test('a broker without TLS where other machines reach it is a warning, and on the loopback it is none', async t => {
  const path = await configFile(t, 'broker:\n  allowPlaintext: true\n  host: 0.0.0.0\n');
  const warning = `${path}:2, ${path}:3: broker.allowPlaintext: lets the broker listen on 0.0.0.0 without TLS: whoever is in between reads every message and can act as any node`;
  for (const role of ['requester', undefined] as const)
    assert.deepEqual((await loadAt(path, role)).warnings, [warning]);
  assert.deepEqual((await loadAt(path, 'agent')).warnings, []);
  const local = await configFile(t, 'broker: {allowPlaintext: true}\n');
  assert.deepEqual((await loadAt(local, 'requester')).warnings, []);
});

test('a topic of heartbeats without the node is a warning where nodes log in with their keys', async t => {
  const path = await configFile(
    t,
    'requester:\n  heartbeatTopic: heartbeat\ncompute:\n  heartbeatTopic: heartbeat\n',
  );
  const text = `heartbeatTopic: "heartbeat" has no {nodeId}, so no node with a key may send its heartbeats there on a requester's own broker, and it becomes UNHEALTHY; only nodes without a key may`;
  assert.deepEqual((await loadAt(path, 'requester')).warnings, [`${path}:2: requester.${text}`]);
  assert.deepEqual((await loadAt(path, undefined)).warnings, [`${path}:2: requester.${text}`]);
  assert.deepEqual((await loadAt(path, 'agent')).warnings, [`${path}:4: compute.${text}`]);
  const elsewhere = await configFile(
    t,
    'requester: {heartbeatTopic: heartbeat}\ncompute: {heartbeatTopic: heartbeat}\nnats: {servers: [head:4222]}\n',
  );
  for (const role of ['requester', 'agent'] as const)
    assert.deepEqual((await loadAt(elsewhere, role)).warnings, []);
});

test('accounts of a NATS with an operator are a fault of a requester that runs its own broker', async t => {
  const key = (seed: number) => encodePublicKey(new Uint8Array(32).fill(seed), 'account');
  const accounts = `accounts: {muster: ${key(1)}, listen: ${key(2)}, listenLive: ${key(3)}}`;
  const path = await configFile(t, `nats:\n  ${accounts}\n`);
  const text = "nats.accounts.muster: set without nats.servers: a requester's own broker has no operator";
  assert.deepEqual(await faultsOf(loadAt(path, 'requester')), [`${path}:2: ${text}`]);
  assert.deepEqual((await loadAt(path, 'agent')).warnings, []);
  const right = await configFile(t, `nats:\n  ${accounts}\n  servers: [nats://head:4222]\n`);
  assert.deepEqual((await loadAt(right, 'requester')).warnings, []);
});
