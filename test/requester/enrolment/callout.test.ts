// Questions of a NATS of one's own whether to let a client in: what is answered, and that nobody else can ask or read.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { nodesAccount } from '../../../agent/protocol/callout.ts';
import { curveKeyOf, openBox, sealBox, sharedKeyOf } from '../../../agent/protocol/sealed-box.ts';
import { writeSignedToken } from '../../../agent/protocol/signed-token.ts';
import { Callout, type Decide } from '../../../agent/requester/enrolment/callout.ts';
import { CalloutBox } from '../../../agent/requester/enrolment/callout-box.ts';
import { keyPairOf } from '../../../agent/transport/key-pair.ts';
import type { Message } from '../../../agent/transport/port.ts';
import {
  issuerKey,
  type QuestionOptions,
  questionClaims,
  serverKey,
} from '../../support/callout-questions.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker, noSubscription } from '../../support/fake-connection.ts';
import { recordLog } from '../../support/log-lines.ts';

const mine = curveKeyOf(new Uint8Array(32).fill(1));
const servers = curveKeyOf(new Uint8Array(32).fill(2));
const others = curveKeyOf(new Uint8Array(32).fill(3));

const letIn = { account: nodesAccount, permissions: { publish: [], subscribe: [], mayAnswer: false } };

/** A callout that lets everybody in whose question it answers. `ask` returns the answer, decrypted for the server. */
function begin(decide: Decide = async () => letIn) {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const connection = broker.connect();
  let receive: (message: Message) => void = () => undefined;
  connection.subscribe = (_, handler) => {
    receive = handler;
    return noSubscription;
  };
  const published: Uint8Array[] = [];
  connection.publish = (_, data) => published.push(Buffer.from(data as Uint8Array)) > 0;
  const { log, lines } = recordLog();
  const callout = new Callout({
    connection,
    clock,
    log,
    issuer: issuerKey,
    own: {
      box: new CalloutBox(mine, count => new Uint8Array(randomBytes(count))),
      servers: { has: async id => id === serverKey.publicKey },
      isTrial: ({ offers }) => offers.name === 'own',
    },
  });
  callout.begin(decide);
  const ask = async (data: Uint8Array, header: string) => {
    receive({
      subject: '$SYS.REQ.USER.AUTH',
      subjectBytes: Buffer.alloc(0),
      reply: '$SYS._INBOX.q',
      data,
      header: () => header,
      respond: () => true,
    });
    await clock.settle();
    return published.splice(0)[0];
  };
  return { ask, lines, callout };
}

/** Returns a question of a server that names the key `xkey`, signed by `signer`. */
function question(xkey: string, signer = serverKey, options: QuestionOptions = {}): Buffer {
  const claims = questionClaims({ name: 'node-1', ...options }) as { nats: { server_id: object } };
  claims.nats.server_id = { id: signer.publicKey, name: 's', xkey };
  return Buffer.from(writeSignedToken(claims, signer));
}

const sealedBy = (key: typeof servers, text: Uint8Array, reader = mine) =>
  sealBox(text, new Uint8Array(randomBytes(24)), sharedKeyOf(key, reader.publicKey));

test('an encrypted question of a server of the NATS is answered, and only that server can read the answer', async () => {
  const { ask } = begin();
  const answer = await ask(sealedBy(servers, question(servers.publicKey)), servers.publicKey);
  assert.ok(answer);
  const token = openBox(answer, sharedKeyOf(servers, mine.publicKey)).toString();
  assert.match(token, /^eyJ/);
  assert.throws(() => openBox(answer, sharedKeyOf(others, mine.publicKey)));
});

test('a question of a forged server, in the clear, or with the key of another is not answered', async () => {
  const { ask } = begin();
  const forger = keyPairOf(new Uint8Array(32).fill(4), 'node');
  const forged = question(others.publicKey, forger);
  assert.equal(await ask(sealedBy(others, forged), others.publicKey), undefined, 'a server of its own');
  assert.equal(await ask(question(servers.publicKey), servers.publicKey), undefined, 'in the clear');
  assert.equal(await ask(question(''), ''), undefined, 'in the clear, without a key');
  const heard = question(servers.publicKey);
  assert.equal(await ask(sealedBy(others, heard), others.publicKey), undefined, 'sealed again by another');
  assert.equal(await ask(sealedBy(others, heard), servers.publicKey), undefined, 'under the wrong key');
  assert.equal(await ask(sealedBy(servers, heard), 'XYZ'), undefined, 'under no key');
});

test('a question about a knock of the requester itself is not answered', async () => {
  const { ask } = begin();
  const own = question(servers.publicKey, serverKey, { name: 'own' });
  assert.equal(await ask(sealedBy(servers, own), servers.publicKey), undefined);
});

test('a question that is encrypted for another requester, or not at all, is not answered, and no secret of it is logged', async () => {
  const secrets = {
    token: 'the-token-of-a-join-code',
    connect: { user: 'ada', pass: 'the-password-of-ada' },
  };
  const asked = question(servers.publicKey, serverKey, secrets);
  const sealed = sealedBy(servers, asked, others);
  for (const data of [sealed, asked]) {
    const { ask, lines } = begin();
    assert.equal(await ask(data, servers.publicKey), undefined);
    assert.equal(lines.length, 1);
    const text = inspect(lines, { depth: 9, showHidden: true });
    assert.match(text, /a question of the broker cannot be read/);
    for (const secret of [secrets.token, secrets.connect.pass, 'ada']) assert.ok(!text.includes(secret));
    for (const form of ['base64', 'base64url', 'hex', 'latin1'] as const)
      assert.ok(!text.includes(Buffer.from(data).toString(form).slice(64, 128)), form);
  }
});

test('a question that is being decided about is answered before the end, which waits for that', async () => {
  const decided = Promise.withResolvers<typeof letIn>();
  const { ask, callout } = begin(() => decided.promise);
  const asked = () => ask(sealedBy(servers, question(servers.publicKey)), servers.publicKey);
  assert.equal(await asked(), undefined);
  let isFinished = false;
  const finished = callout.finish().then(() => {
    isFinished = true;
  });
  await new Promise(setImmediate);
  assert.equal(isFinished, false);
  decided.resolve(letIn);
  await finished;
  await callout.finish();
});
