// What one requester has refused, the other knows: it can say why, and give the key the record that it wants.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodePublicKey } from '../../../agent/protocol/nkey.ts';
import { inboxPrefix, whySubject } from '../../../agent/protocol/subjects.ts';
import { refusalOf } from '../../../agent/requester/enrolment/access-rules.ts';
import { RefusalExchange } from '../../../agent/requester/enrolment/refusal-exchange.ts';
import { answerWhy, RefusalLog, type RefusedApplicant } from '../../../agent/requester/enrolment/refusals.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';

const key = encodePublicKey(Buffer.alloc(32, 1));
const applicant: RefusedApplicant = {
  node: 'node-1',
  host: '192.0.2.1',
  hostname: 'desk',
  use: 'agent',
  instance: 'one',
  server: `N${'A'.repeat(55)}`,
  connection: 7,
};

function begin() {
  const clock = new FakeClock();
  const broker = new FakeBroker(clock);
  const open = (requesterId: string) => {
    const connection = broker.connect();
    const hasPeers = () => true;
    const exchange = new RefusalExchange({
      connection,
      log: silentLog,
      clusterId: 'c',
      requesterId,
      hasPeers,
    });
    const refusals = new RefusalLog(clock, refused => exchange.tell(refused));
    const heard: string[] = [];
    exchange.start(refused => {
      refusals.keep(refused);
      heard.push(`${refused.key} ${refused.applicant.node}`);
    });
    answerWhy({ connection, refusals, clock, hasPeers });
    return { refusals, heard };
  };
  return { clock, broker, first: open('node-0'), second: open('node-9') };
}

/** Asks in the name of a key why it was refused. */
async function why(clock: FakeClock, broker: FakeBroker, of: string): Promise<unknown> {
  const answer = broker.connect().request(whySubject(of), '', 2_000, `${inboxPrefix(of)}.1`);
  answer.catch(() => undefined);
  await clock.advance(2_000);
  return answer.then(({ data }) => JSON.parse(Buffer.from(data).toString()));
}

test('a key that one requester refused may be taken at the other, and learns why from either', async () => {
  const { clock, broker, first, second } = begin();
  const refusal = refusalOf(key, 'conflict', 'node node-1 has another key', 'rekey it', {
    id: 'node-1',
    key: undefined,
  });
  first.refusals.add(key, refusal, applicant);
  await clock.settle();
  assert.deepEqual([first.heard, second.heard], [[], [`${key} node-1`]]);
  assert.deepEqual(
    second.refusals.wanting('node-1').map(each => each.refusal),
    [refusal],
  );
  assert.deepEqual(await why(clock, broker, key), refusal);
  second.refusals.take(key);
  assert.deepEqual(
    await why(clock, broker, key),
    refusal,
    'who does not know it leaves the answer to the other',
  );
});

test('a key that no requester refuses any more is told so, because its node may have been brought back', async () => {
  const { clock, broker } = begin();
  assert.deepEqual(await why(clock, broker, key), {});
});

test('what cannot be read is left out', async () => {
  const { clock, broker, second } = begin();
  for (const text of ['', '{}', '{"by":"x","key":"k","refusal":{},"applicant":{}}'])
    broker.inject('requester.refused.c', text);
  await clock.settle();
  assert.deepEqual(second.heard, []);
});
