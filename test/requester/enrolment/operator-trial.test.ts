// What is missing on a real NATS with an operator is found and named, before the requester serves there.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { accountKeys } from '../../../agent/broker/account-keys.ts';
import { nscScript } from '../../../agent/broker/nsc-script.ts';
import { writeRequesterToken } from '../../../agent/protocol/requester-token.ts';
import { curveKeyOf } from '../../../agent/protocol/sealed-box.ts';
import { defaultHeartbeatTopic } from '../../../agent/protocol/subjects.ts';
import { CalloutBox } from '../../../agent/requester/enrolment/callout-box.ts';
import { NatsTrial } from '../../../agent/requester/enrolment/nats-trial.ts';
import { systemClock } from '../../../agent/system/clock.ts';
import { systemRandom } from '../../../agent/system/random.ts';
import { keyPairOf } from '../../../agent/transport/key-pair.ts';
import { knock } from '../../../agent/transport/knock.ts';
import { issuerKey } from '../../support/callout-questions.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeOwnNats, printed } from '../../support/fake-own-nats.ts';
import { makeNatsServer, type NatsServer } from '../../support/nats-server.ts';
import { runNscScript } from '../../support/nsc.ts';
import { startConnection } from '../../support/open-connection.ts';

const requester = keyPairOf(new Uint8Array(32).fill(4), 'user');
const box = curveKeyOf(new Uint8Array(32).fill(5));
const bystander = keyPairOf(new Uint8Array(32).fill(6), 'user');
const script = nscScript({
  access: {
    requester,
    issuer: issuerKey,
    box,
    bystander,
    unverified: { heartbeatTopic: defaultHeartbeatTopic },
  },
  systemAccount: 'SYS',
});

let server: NatsServer;
before(async () => {
  server = await makeNatsServer();
});
after(() => server?.release());

/** Runs the trial on a server for which the script was changed, and the configuration of the server too. */
async function tryWith(change: (script: string) => string, changeConfig = (text: string) => text) {
  const changed = change(script);
  const { config, settings } = await runNscScript(server.folder, changed);
  const changedConfig = changeConfig(config);
  assert.ok(
    changed !== script || changedConfig !== config || change === same,
    'the change changes something',
  );
  await server.kill();
  await server.start(changedConfig);
  const [muster, listen, listenLive, unverified] = Object.values(settings);
  const accounts = accountKeys({ muster, listen, listenLive, unverified }, issuerKey);
  assert.ok(accounts);
  const keyToken = writeRequesterToken(requester.publicKey, accounts, issuerKey);
  const connection = await startConnection(server.url, { credentials: () => ({ key: requester, keyToken }) });
  await connection.connected();
  try {
    return await new NatsTrial({
      connection,
      servers: [server.url],
      tls: undefined,
      box: new CalloutBox(box, randomBytes),
      bystander,
      newKey: () => keyPairOf(randomBytes(32), 'node'),
      knock,
      random: systemRandom,
      issuer: issuerKey,
      operatorMode: { accounts, requesterKey: requester.publicKey, clock: systemClock },
    }).run();
  } finally {
    await connection.close(0);
  }
}

const same = (text: string) => text;
const without = (text: RegExp) => (script: string) => script.replace(text, '');

describe('a NATS with an operator', () => {
  test('whose accounts are as the script makes them checks keys', async () => {
    assert.equal(await tryWith(same), 'keys');
  });

  const faults: [what: string, change: (script: string) => string, expected: RegExp][] = [
    ['encrypts nothing', without(/--curve "\$box"/), /xkey is missing/],
    [
      'lets everybody who connects do something',
      without(/ --deny-pubsub '>'/),
      /the user in default_sentinel may do something/,
    ],
    [
      'does not let the requester end connections',
      without(/^share SYS MUSTER .*KICK.*$/m),
      /may not list and end connections/,
    ],
    ['does not tell who comes', without(/^hear SYS CONNECT$/m), /does not hear who comes and goes/],
    [
      'takes no answers about listeners',
      without(/--allowed-account "\$\(key MUSTER_LISTEN\)"/),
      /the account LISTEN lets nobody in/,
    ],
    [
      'asks nobody',
      without(/^nsc edit authcallout.*\n.*$/m),
      /nobody is asked about a client without a token/,
    ],
  ];
  for (const [what, change, expected] of faults)
    test(`that ${what} is not served`, () =>
      assert.rejects(tryWith(change), { code: 'bad_config', message: expected }));

  test('whose servers let in nobody without a token is not served', async () => {
    const change = (config: string) => config.replace(/^default_sentinel.*$/m, '');
    await assert.rejects(tryWith(same, change), {
      code: 'bad_config',
      message: /default_sentinel is missing/,
    });
  });
});

test('servers without an operator are not served with the accounts of one', async () => {
  const clock = new FakeClock();
  const nats = new FakeOwnNats(clock, bystander);
  nats.servers.set('nats://one:4222', printed(box.publicKey));
  const accounts = { keys: new Map([['MUSTER', 'AMUSTER']]), signer: issuerKey.publicKey };
  const trial = new NatsTrial({
    connection: nats.broker.connect(),
    servers: ['nats://one:4222'],
    tls: undefined,
    box: new CalloutBox(box, randomBytes),
    bystander,
    newKey: () => keyPairOf(randomBytes(32), 'node'),
    knock: nats.knock,
    random: systemRandom,
    issuer: issuerKey,
    operatorMode: { accounts, requesterKey: requester.publicKey, clock },
  });
  await assert.rejects(trial.run(), {
    code: 'bad_config',
    message: /names accounts of a NATS with an operator, and the requester is in the account MUSTER/,
  });
});
