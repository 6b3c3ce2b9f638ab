// What a NATS of one's own is worth is found out by knocking at its servers, which are in memory here.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import {
  type CalloutQuestion,
  calloutSubject,
  readCalloutQuestion,
} from '../../../agent/protocol/callout.ts';
import { curveKeyOf } from '../../../agent/protocol/sealed-box.ts';
import { CalloutBox } from '../../../agent/requester/enrolment/callout-box.ts';
import { NatsTrial } from '../../../agent/requester/enrolment/nats-trial.ts';
import { keyPairOf } from '../../../agent/transport/key-pair.ts';
import { issuerKey } from '../../support/callout-questions.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeOwnNats, printed, type ServerSetup } from '../../support/fake-own-nats.ts';
import { steadyRandom } from '../../support/steady-random.ts';

const mine = curveKeyOf(new Uint8Array(32).fill(1));
const bystander = keyPairOf(new Uint8Array(32).fill(2), 'user');
const box = new CalloutBox(mine, count => new Uint8Array(randomBytes(count)));
const one = 'nats://one:4222';
const two = 'nats://two:4222';
const three = 'nats://three:4222';

/** A NATS whose servers are as `muster broker config` prints them, but for `changes`, and its trial. */
function begin(changes: Partial<ServerSetup> = {}, urls = [one], issuer = issuerKey) {
  const clock = new FakeClock();
  const nats = new FakeOwnNats(clock, bystander);
  for (const url of urls) nats.servers.set(url, { ...printed(mine.publicKey), ...changes });
  const connection = nats.broker.connect();
  const trial = new NatsTrial({
    connection,
    servers: urls,
    tls: undefined,
    box,
    bystander,
    newKey: () => keyPairOf(randomBytes(32), 'node'),
    knock: nats.knock,
    random: steadyRandom(),
    issuer,
  });
  /** Runs the trial, and returns what it found. It may take a minute of the clock. */
  const run = async () => {
    const found = trial.run();
    found.catch(() => undefined);
    await clock.advance(60_000);
    return found;
  };
  const change = (url: string, changed: Partial<ServerSetup>) => {
    const before = nats.servers.get(url) ?? printed(mine.publicKey);
    nats.servers.set(url, { ...before, ...changed });
  };
  return { nats, trial, run, change };
}

/** Asserts that the requester does not serve there, for this reason. */
const refuses = (run: () => Promise<unknown>, reason: RegExp) =>
  assert.rejects(run(), { code: 'bad_config', message: reason });

describe('a NATS that asks the requester', () => {
  test('and is as it was printed checks keys; the requester may end connections there', async () => {
    const { nats, run } = begin({}, [one, two]);
    assert.equal(await run(), 'keys');
    assert.equal(nats.ended.length, 2);
  });

  test('asks about its knocks, which each requester of the roll knows, and nobody else', async () => {
    const { nats, trial, run } = begin();
    const questions: CalloutQuestion[] = [];
    nats.broker.connect().subscribe(calloutSubject, message => {
      questions.push(readCalloutQuestion(box.open(message).text));
    });
    await run();
    const stranger = begin({}, [one], keyPairOf(new Uint8Array(32).fill(5), 'account')).trial;
    const known = [trial, begin().trial, stranger].map(each => questions.map(each.isTrial));
    assert.deepEqual(known, [[true], [true], [false]]);
  });

  test('gets an answer about each knock, so that it does not wait and warn', async () => {
    const { nats, run } = begin({}, [one, two]);
    let answers = 0;
    nats.broker.deliver = subject => {
      if (subject.startsWith('$SYS._INBOX.')) answers++;
      return true;
    };
    assert.equal(await run(), 'keys');
    assert.equal(answers, 2);
  });

  test('and stops after it has asked is tried again, because that is no fault of its configuration', async () => {
    const { nats, run, change } = begin();
    let knocks = 0;
    nats.onKnock = () => {
      if (++knocks === 2) change(one, { isUp: false });
    };
    await assert.rejects(run(), { fault: 'timeout' });
    change(one, { isUp: true });
    assert.equal(await run(), 'keys');
  });

  const faults: [what: string, changes: Partial<ServerSetup>, reason: RegExp][] = [
    ['does not encrypt its questions', { xkey: undefined }, /xkey is missing/],
    [
      'encrypts them for another requester',
      { xkey: curveKeyOf(new Uint8Array(32).fill(3)).publicKey },
      /xkey is not that of this requester/,
    ],
    ['sends no nonce', { hasNonce: false }, /no nonce/],
    ['asks about users of other accounts', { bystander: 'asked' }, /allowed_accounts is missing/],
    ['does not know the bystander', { bystander: 'unknown' }, /MUSTER_BYSTANDER is missing/],
    ['lets nobody in whom the requester lets in', { answers: 'refused' }, /the issuer is not the key/],
    ['is asked for by somebody else', { isForged: true }, /somebody else than its servers asks/],
  ];
  for (const [what, changes, reason] of faults)
    test(`and ${what} is not served`, () => refuses(begin(changes).run, reason));

  test('and does not let it list and end connections is not served', async () => {
    const { nats, run } = begin();
    nats.broker.deliver = subject => !/CONNZ|KICK/.test(subject);
    await assert.rejects(run(), { fault: 'timeout' }, 'a silent server is tried again');
    nats.broker.deliver = undefined;
    await nats.monitor.close();
    await refuses(run, /imports from the system account are missing/);
  });

  test('and in which a server has just come, which the others do not know yet, is tried again', async () => {
    const { nats, run } = begin({}, [one, two, three]);
    nats.unknown.add(two);
    await assert.rejects(run(), { fault: 'no_responders' });
    nats.unknown.clear();
    assert.equal(await run(), 'keys');
    for (const url of [one, two, three]) nats.unknown.add(url);
    await refuses(run, /imports from the system account are missing$/);
  });

  test('and has it in another account is not served', async () => {
    const { nats, run } = begin();
    nats.user = { account: 'OTHER' };
    await refuses(run, /in the account OTHER and not in MUSTER/);
  });

  test('names all that is wrong at once, and each fault once', async () => {
    const { run } = begin({ xkey: undefined, hasNonce: false }, [one, two]);
    await refuses(run, /: xkey is missing[^;]*; the servers send no nonce[^;]*$/);
  });
});

describe('a NATS that does not ask the requester', () => {
  test('is shared when it refuses a stranger, and when a stranger gets no answer', async () => {
    assert.equal(await begin({ asks: false }).run(), 'shared');
    const { nats, run } = begin({ losesQuestions: true });
    nats.user = { account: '$G' };
    assert.equal(await run(), 'shared');
  });

  test('is shared when it does not say who the requester is there', async () => {
    const { nats, run } = begin();
    await nats.system.close();
    assert.equal(await run(), 'shared');
  });

  test('is shared when the requester may not hear all of its account, and so no questions', async () => {
    const { nats, run } = begin();
    nats.user = { account: 'MUSTER', permissions: { subscribe: { allow: ['node.>'] } } };
    assert.equal(await run(), 'shared');
    nats.user = { account: 'MUSTER', permissions: { subscribe: { allow: ['>'] } } };
    assert.equal(await run(), 'keys');
  });
});

test('what an earlier trial found does not count in the next one', async () => {
  const { run, change } = begin({ xkey: curveKeyOf(new Uint8Array(32).fill(3)).publicKey });
  await refuses(run, /xkey is not that of this requester/);
  change(one, { losesQuestions: true });
  await assert.rejects(run(), { fault: 'timeout' });
});

describe('a NATS of several servers', () => {
  test('is tried at those that can be reached', async () => {
    const { run, change } = begin({}, [one, two]);
    change(two, { isUp: false });
    assert.equal(await run(), 'keys');
    change(one, { isUp: false });
    await assert.rejects(run(), { fault: 'disconnected' }, 'none could be tried');
  });

  test('of which one does not ask is not served', async () => {
    const { run, change } = begin({}, [one, two]);
    change(two, { asks: false });
    await refuses(run, /some of its servers do not ask at all/);
  });

  test('of which one does not take the answers is not served, and that one is named', async () => {
    const { run, change } = begin({}, [one, two, three]);
    change(two, { answers: 'refused' });
    await refuses(run, /the issuer is not the key .* \(at nats:\/\/two:4222\)$/);
    change(three, { answers: 'refused' });
    await refuses(run, /the issuer is not the key .* \(at nats:\/\/two:4222, nats:\/\/three:4222\)$/);
    change(one, { answers: 'refused' });
    await refuses(run, /the issuer is not the key [^(]*$/);
  });

  test('is tried again with a server that comes later', async () => {
    const { run, change } = begin({}, [one, two]);
    change(two, { isUp: false });
    assert.equal(await run(), 'keys');
    change(two, { isUp: true, asks: false });
    await refuses(run, /some of its servers do not ask at all/);
    change(two, { asks: true, xkey: undefined });
    await refuses(run, /xkey is missing/);
    change(two, { xkey: mine.publicKey });
    assert.equal(await run(), 'keys');
  });
});

describe('a server that is silent', () => {
  test('is only slow when the account was made for its questions, so the requester asks again', async () => {
    const { run, change } = begin({ losesQuestions: true });
    await assert.rejects(run(), { fault: 'timeout' });
    change(one, { losesQuestions: false });
    assert.equal(await run(), 'keys');
  });

  test('is knocked at twice, because a subscription takes a moment to reach all servers', async () => {
    const { nats, run } = begin();
    let questions = 0;
    nats.broker.deliver = subject => subject !== calloutSubject || ++questions > 1;
    assert.equal(await run(), 'keys');
    assert.equal(questions, 2);
  });

  test('after an answer is only slow', async () => {
    const { run, change } = begin({ answers: 'lost' });
    await assert.rejects(run(), { fault: 'timeout' });
    change(one, { answers: 'taken' });
    assert.equal(await run(), 'keys');
  });

  test('about the bystander is only slow', async () => {
    await assert.rejects(begin({ bystander: 'unanswered' }).run(), { fault: 'timeout' });
  });
});
