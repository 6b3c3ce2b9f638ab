// Checks the broker and the requester behind it over the network, with real servers and with made-up ones.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Role } from '../../../agent/config/role.ts';
import type { Settings } from '../../../agent/config/settings.ts';
import { broker } from '../../../agent/doctor/checks/broker.ts';
import type { Context } from '../../../agent/doctor/checks/context.ts';
import { requester } from '../../../agent/doctor/checks/requester.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { type AccessCheck, checkAccess } from '../../../agent/transport/access-check.ts';
import { freePort, listen } from '../../support/listener.ts';
import { type NatsServer, startNatsServer } from '../../support/nats-server.ts';
import { newFolder } from '../../support/temporary.ts';
import { context } from './context.ts';

const accessChecks = (servers: readonly string[], credentials = {}): Promise<AccessCheck[]> =>
  checkAccess({ servers, credentials, tls: undefined, timeoutMs: 2_000, stream: 'KV_node_v1' });

async function runChecks(servers: readonly string[], credentials = {}, role: Role = 'agent') {
  const one: Context = {
    ...context({
      roles: [role],
      settings: (settings): Settings => ({ ...settings, nats: { ...settings.nats, servers } }),
      accessChecks: await accessChecks(servers, credentials),
    }),
    broker: async () => ({ servers, credentials, tls: undefined }),
  };
  return {
    broker: (await broker(one, role).run()).map(({ status, text }) => `${status} ${text}`),
    requester: async () =>
      (await requester(one, 'agent').run()).map(({ status, text }) => `${status} ${text}`),
  };
}

/** Answers like a nats-server, and accepts any client. */
const pretender = (info: object) =>
  listen(socket => {
    socket.write(
      `INFO ${JSON.stringify({ server_id: 'x', max_payload: 1_048_576, proto: 1, headers: true, ...info })}\r\n`,
    );
    socket.on('data', data => {
      if (data.toString().includes('PING')) socket.write('PONG\r\n');
    });
  });

describe('a real broker', () => {
  let server: NatsServer;
  before(async () => {
    server = await startNatsServer({ config: 'authorization { token: "a-token-of-the-test" }' });
  });
  after(() => server.release());

  test('that lets us in is ok', async () => {
    const { broker, requester } = await runChecks([server.url], { token: 'a-token-of-the-test' });
    assert.equal(broker.length, 1, broker.join('\n'));
    assert.match(
      broker[0] ?? '',
      /^ok nats:\/\/127\.0\.0\.1:\d+: nats-server 2\.\d+\.\d+, accepts our credentials, answers in [\d.]+ ms$/,
    );
    assert.deepEqual(await requester(), ['failed no requester listens at this broker']);
  });

  test('that refuses us, needs other credentials or does not run is a failure that names the setting', async () => {
    const folder = await newFolder();
    await writeFile(join(folder, 'empty'), '');
    const port = await freePort();
    const of = async (servers: string[], credentials = {}) =>
      (await runChecks(servers, credentials)).broker[0];
    assert.match(
      (await of([server.url], { token: 'another-token' })) ?? '',
      /^failed .*refused our credentials: check nats.token$/,
    );
    assert.match((await of([server.url])) ?? '', /^failed .*wants credentials and none are set/);
    assert.match(
      (await of([server.url], { tokenFile: join(folder, 'empty') })) ?? '',
      /^failed nats.tokenFile: .* is empty$/,
    );
    assert.match((await of([`nats://127.0.0.1:${port}`])) ?? '', /^failed nothing listens at/);
    assert.match(
      (await of([`tls://127.0.0.1:${server.port}`], { token: 'a-token-of-the-test' })) ?? '',
      /^failed .*TLS/,
    );
  });

  test('that refuses a requester without a login wants its key, and no join code', async () => {
    const one = context({
      roles: ['requester'],
      settings: settings => ({ ...settings, nats: { ...settings.nats, servers: [server.url] } }),
      accessChecks: await accessChecks([server.url]),
    });
    const hint = async (role: Role) => (await broker(one, role).run())[0]?.remedy ?? '';
    assert.match(await hint('requester'), /^add the key of this requester, .* to broker\.requesters/);
    assert.match(await hint('agent'), /muster agent join/);
  });

  test('is ok when the agent is connected with credentials that this user does not have', async () => {
    const examinedBy = { accessChecks: await accessChecks([server.url]) };
    const status = {
      broker: `connected to ${server.url}`,
      requester: 'node-0',
      lastAcknowledged: new Date().toISOString(),
    };
    const running = context({ ...examinedBy, agent: status });
    const [first] = await broker(running, 'agent').run();
    assert.equal(first?.status, 'ok');
    assert.match(first?.text ?? '', /^nats:.*: the agent is connected; /);
    const [its] = await requester(running, 'agent').run();
    assert.match(`${its?.status} ${its?.text}`, /^ok node-0 answered the agent \d s ago$/);
    const denied: Context = { ...running, agent: () => Promise.reject(new MusterError('not_allowed', 'no')) };
    for (const check of [broker(denied, 'agent'), requester(denied, 'agent')])
      assert.equal((await check.run())[0]?.status, 'warning');
    const other = context({
      ...examinedBy,
      agent: { ...status, broker: 'connected to nats://elsewhere:4222' },
    });
    assert.equal((await broker(other, 'agent').run())[0]?.status, 'failed');
  });

  test('has a line of its own when there are several, and the requester is asked through one that answers', async () => {
    const gone = `nats://127.0.0.1:${await freePort()}`;
    const { broker, requester } = await runChecks([gone, server.url], { token: 'a-token-of-the-test' });
    assert.deepEqual(
      broker.map(line => line.split(' ', 1)[0]),
      ['failed', 'ok'],
    );
    assert.deepEqual(await requester(), ['failed no requester listens at this broker']);
  });

  test('on which another program answers instead of a requester is a failure', async () => {
    const { connectTo } = await import('../../support/connections.ts');
    const strange = connectTo(server.url, { credentials: () => ({ token: 'a-token-of-the-test' }) });
    await strange.connected();
    strange.subscribe('node.management.>', message => message.respond('\u001b[2J'));
    await strange.flush(2_000);
    const { requester } = await runChecks([server.url], { token: 'a-token-of-the-test' });
    assert.match((await requester())[0] ?? '', /^failed something answers that is not a requester/);
    await strange.close();
  });
});

test('a broker without JetStream is ok for an agent and a failure for a requester', async () => {
  const server = await startNatsServer({ jetstream: false });
  try {
    assert.deepEqual((await runChecks([server.url])).broker.length, 1);
    const { broker } = await runChecks([server.url], {}, 'requester');
    assert.match(broker[0] ?? '', /^ok .*needs no credentials/);
    assert.match(broker[1] ?? '', /^failed .* has no JetStream/);
  } finally {
    await server.release();
  }
});

test('a vulnerable version is reported even when the broker refuses us', async () => {
  const server = await listen(socket => {
    const info = {
      server_id: 'x',
      max_payload: 1_048_576,
      version: '2.10.27',
      auth_required: true,
      headers: true,
    };
    socket.write(`INFO ${JSON.stringify(info)}\r\n`);
    socket.on('data', () => socket.end("-ERR 'Authorization Violation'\r\n"));
  });
  try {
    const found = (await runChecks([server.url], { token: 'a-token' })).broker;
    assert.match(found[0] ?? '', /^failed .* refused our credentials/);
    assert.match(found[1] ?? '', /^warning .* is nats-server 2\.10\.27, which has known vulnerabilities/);
  } finally {
    await server.close();
  }
});

test('a vulnerable or unknown version is a warning, and one that is too old a failure', async () => {
  const line = async (version: unknown) => {
    const server = await pretender({ version });
    try {
      return (await runChecks([server.url])).broker;
    } finally {
      await server.close();
    }
  };
  const [first, vulnerabilities] = await line('2.10.27');
  assert.match(first ?? '', /^ok .*nats-server 2\.10\.27/);
  assert.match(
    vulnerabilities ?? '',
    /^warning .* is nats-server 2\.10\.27, which has known vulnerabilities: .*\(2026-28\)/,
  );
  assert.match((await line('2.9.25'))[1] ?? '', /^failed .* at least 2\.10 is needed$/);
  assert.match((await line('99999.1.1'))[1] ?? '', /^warning .* says that it is version "99999.1.1"/);
  for (const none of ['yours', undefined, 2, '\u001b[2J'])
    assert.match((await line(none))[0] ?? '', /^failed what answers at .* is not a NATS server/);
});

test('on another machine, a broker without credentials or encryption is a warning', async () => {
  const facts = { version: '2.12.15', jetstream: true, roundTripMs: 20, clockAheadMs: undefined };
  const far = (encrypted: boolean, asksForLogin: boolean) =>
    broker(
      context({
        accessChecks: [
          { server: 'nats://far:4222', host: 'far', result: { ...facts, encrypted, asksForLogin } },
        ],
      }),
      'agent',
    ).run();
  assert.deepEqual(
    (await far(true, true)).map(({ text }) => text),
    ['nats://far:4222: nats-server 2.12.15, accepts our credentials, encrypted, answers in 20 ms'],
  );
  assert.match((await far(true, false))[1]?.text ?? '', /accepts clients without credentials/);
  assert.match((await far(false, true))[1]?.text ?? '', /is not encrypted: .* join codes, work/);
  assert.deepEqual((await far(false, false)).length, 3);
});

test('while the requester does not run, the program of its broker is checked', async () => {
  const settings = (binary: string | undefined) => (from: Settings) => ({
    ...from,
    broker: { ...from.broker, binary },
  });
  const found = async (binary?: string) =>
    (await broker(context({ roles: ['requester'], settings: settings(binary) }), 'requester').run())[0];
  assert.match((await found())?.text ?? '', /^the requester would run \/.*nats-server, nats-server 2\.\d+/);
  const missing = await found('/nonexistent/nats-server');
  assert.equal(missing?.status, 'failed');
  assert.match(missing?.text ?? '', /\/nonexistent\/nats-server/);
});
