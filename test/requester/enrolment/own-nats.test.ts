// What a requester does with what its trial of a NATS of one's own found: at the start, and when it connects there again.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { calloutSubject } from '../../../agent/protocol/callout.ts';
import { curveKeyOf, sealBox, sharedKeyOf } from '../../../agent/protocol/sealed-box.ts';
import { writeSignedToken } from '../../../agent/protocol/signed-token.ts';
import { CalloutBox } from '../../../agent/requester/enrolment/callout-box.ts';
import type { Trust } from '../../../agent/requester/enrolment/nats-trial.ts';
import { OwnNats, type OwnNatsOptions } from '../../../agent/requester/enrolment/own-nats.ts';
import type { MusterError } from '../../../agent/system/errors.ts';
import { keyPairOf } from '../../../agent/transport/key-pair.ts';
import { BrokerError } from '../../../agent/transport/port.ts';
import {
  issuerKey,
  listClientsAs,
  type QuestionOptions,
  questionClaims,
  serverKey,
} from '../../support/callout-questions.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { recordLog } from '../../support/log-lines.ts';
import { steadyRandom } from '../../support/steady-random.ts';
import { RequesterFixture } from '../requester-fixture.ts';
import { nodeName, writePins } from './gate.ts';

const mine = curveKeyOf(new Uint8Array(32).fill(1));
const servers = curveKeyOf(new Uint8Array(32).fill(2));

const ownNats = (run: () => Promise<Trust>): OwnNatsOptions => ({
  trial: { run, isTrial: () => false },
  box: new CalloutBox(mine, count => new Uint8Array(randomBytes(count))),
  issuer: issuerKey,
  requireIdentity: false,
  opensSubjects: false,
});

/** A NATS on which the next trials find these things; an error is thrown. */
function begin(found: (Trust | Error | Promise<Trust>)[], options: Partial<OwnNatsOptions> = {}) {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const connection = broker.connect();
  const { log, lines } = recordLog();
  const lost: MusterError[] = [];
  const trial = async () => {
    const next = found.shift();
    if (next === undefined) assert.fail('tried out once too often');
    if (next instanceof Error) throw next;
    return next;
  };
  const watch = new OwnNats({
    ...ownNats(trial),
    ...options,
    connection,
    clock,
    random: steadyRandom(),
    log,
    onLost: error => lost.push(error),
  });
  const reconnect = async () => {
    connection.drop();
    connection.regain();
    await clock.settle();
  };
  const warnings = () => lines.filter(({ level }) => level === 'warn').map(({ message }) => message);
  return { clock, connection, watch, lost, found, reconnect, warnings };
}

describe('the start on a NATS of one’s own', () => {
  test('tries it out once, however often the rest of the start fails', async () => {
    const { watch } = begin(['keys']);
    const callout = await watch.settle();
    assert.ok(callout);
    assert.equal(await watch.settle(), callout);
    assert.equal(watch.trust, 'keys');
    watch.stop();
  });

  test('warns where nobody asks, and refuses when identity is required', async () => {
    const { watch, warnings } = begin(['shared']);
    assert.equal(await watch.settle(), undefined);
    assert.equal(watch.trust, 'shared');
    assert.match(warnings().join(), /approval is bookkeeping there/);
    const strict = begin(['shared'], { requireIdentity: true });
    await assert.rejects(strict.watch.settle(), {
      code: 'bad_config',
      message: /does not ask this requester/,
    });
    assert.equal(strict.watch.trust, undefined);
  });

  test('warns of settings that open nothing where nobody asks, and only there', async () => {
    const opensSubjects = true;
    const shared = begin(['shared'], { opensSubjects });
    await shared.watch.settle();
    assert.equal(shared.warnings().length, 2);
    assert.match(shared.warnings()[1] ?? '', /^broker\.approved opens nothing/);
    const asking = begin(['keys'], { opensSubjects });
    await asking.watch.settle();
    assert.deepEqual(asking.warnings(), []);
    asking.watch.stop();
  });

  test('is tried again after a trial that found out nothing', async () => {
    const { watch } = begin([new BrokerError('timeout', 'silent'), 'keys']);
    await assert.rejects(watch.settle(), { fault: 'timeout' });
    assert.equal(watch.trust, undefined);
    assert.ok(await watch.settle());
    watch.stop();
  });
});

describe('a new link to a NATS of one’s own', () => {
  test('is tried out, and nothing happens when all is as before', async () => {
    const { watch, lost, reconnect, found } = begin(['keys', 'keys', 'keys']);
    await watch.settle();
    await reconnect();
    await reconnect();
    assert.deepEqual([lost, found], [[], []]);
    watch.stop();
  });

  const changes: [before: Trust, now: Trust, reason: RegExp][] = [
    ['keys', 'shared', /does not ask this requester any more/],
    ['shared', 'keys', /asks this requester now/],
  ];
  for (const [before, now, reason] of changes)
    test(`ends the requester when the NATS was ${before} and is ${now}`, async () => {
      const { watch, lost, reconnect } = begin([before, now]);
      await watch.settle();
      await reconnect();
      assert.deepEqual(
        lost.map(({ code }) => code),
        ['bad_config'],
      );
      assert.match(lost[0]?.message ?? '', reason);
      watch.stop();
    });

  test('is tried again, more and more slowly, until its server answers', async () => {
    const silent = () => new BrokerError('timeout', 'silent');
    const { clock, watch, lost, found, reconnect } = begin(['keys', silent(), silent(), silent(), 'shared']);
    await watch.settle();
    await reconnect();
    assert.equal(found.length, 3);
    await clock.advance(20_000);
    assert.equal(found.length, 0);
    assert.equal(lost.length, 1);
    watch.stop();
  });

  test('counts alone: what is found about an earlier one comes too late', async () => {
    const slow = Promise.withResolvers<Trust>();
    const { clock, watch, lost, reconnect } = begin(['keys', slow.promise, 'keys']);
    await watch.settle();
    await reconnect();
    await reconnect();
    slow.resolve('shared');
    await clock.settle();
    assert.deepEqual(lost, []);
    watch.stop();
  });

  test('is not tried any more when there is another one, or when the requester has stopped', async () => {
    const silent = () => new BrokerError('timeout', 'silent');
    const { clock, watch, lost, found, reconnect } = begin(['keys', silent(), 'keys', silent()]);
    await watch.settle();
    await reconnect();
    await reconnect();
    await clock.advance(60_000);
    assert.equal(found.length, 1, 'the first link is given up');
    await reconnect();
    watch.stop();
    await reconnect();
    await clock.advance(60_000);
    assert.deepEqual([lost, found], [[], []]);
  });
});

test('a client whose question has no nonce is not let in, also with the key of a node', async () => {
  const key = keyPairOf(new Uint8Array(32).fill(5), 'node');
  const fixture = new RequesterFixture();
  const server = fixture.broker.connect();
  await writePins(server, { 'node-1': key });
  listClientsAs(server, () => []);
  fixture.requester = fixture.newRequester(fixture.connection, { ownNats: ownNats(async () => 'keys') });
  await fixture.finish(fixture.requester.start());
  let answers = 0;
  server.subscribe('$SYS._INBOX.>', () => answers++);
  const isAnswered = async (options: QuestionOptions) => {
    const claims = questionClaims({ key, name: nodeName('node-1'), ...options });
    (claims.nats as { server_id: object }).server_id = {
      id: serverKey.publicKey,
      name: 's',
      xkey: servers.publicKey,
    };
    const text = Buffer.from(writeSignedToken(claims, serverKey));
    const sealed = sealBox(text, new Uint8Array(randomBytes(24)), sharedKeyOf(servers, mine.publicKey));
    const before = answers;
    fixture.broker.inject(calloutSubject, sealed, '$SYS._INBOX.q', { 'Nats-Server-Xkey': servers.publicKey });
    await fixture.clock.advance(10_000);
    return answers > before;
  };
  assert.equal(await isAnswered({ nonce: '' }), false, 'anybody may replay a signature over nothing');
  assert.equal(await isAnswered({ nonce: 'short' }), false);
  assert.equal(await isAnswered({}), true);
});
