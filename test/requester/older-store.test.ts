// An older copy of the store is put back under a requester in memory: whatever was decided since, no key comes in that was sent
// away.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { fingerprint } from '../../agent/protocol/nkey.ts';
import { clusterBucket } from '../../agent/requester/cluster/cluster-bucket.ts';
import { Ledger } from '../../agent/requester/ledger/ledger.ts';
import { StoreMark } from '../../agent/requester/ledger/store-mark.ts';
import type { RequesterOptions } from '../../agent/requester/requester.ts';
import { silentLog } from '../../agent/system/log.ts';
import type { KeyPair } from '../../agent/transport/key-pair.ts';
import { claimsOf, issuerKey, writeQuestion } from '../support/callout-questions.ts';
import { eventually } from '../support/eventually.ts';
import { newKey } from '../support/raw-client.ts';
import { newFolder } from '../support/temporary.ts';
import { RequesterFixture } from './requester-fixture.ts';

const ids = ['n-0', 'n-1', 'n-2'];
const act = { actor: 'ann', reason: '' };

/** A cluster with three approved nodes whose keys are pinned, and a requester that keeps a ledger. */
class OlderStore {
  readonly fixture = new RequesterFixture();
  readonly keys = new Map(ids.map(id => [id, newKey()]));
  /** The keys that must not come in. */
  readonly gone: { id: string; key: KeyPair }[] = [];
  readonly #folder: string;
  #asked = 0;

  static async begin(): Promise<OlderStore> {
    const older = new OlderStore(await newFolder());
    const { broker } = older.fixture;
    const bucket = await (await broker.connect().storage()).bucket(clusterBucket);
    for (const [id, { publicKey: key }] of older.keys) {
      await bucket.put(`key.${key}`, Buffer.from(JSON.stringify({ id })), 0);
      await bucket.put(`pin.${id}`, Buffer.from(JSON.stringify({ key, at: '2025-01-01T00:00:00Z' })), 0);
    }
    broker.connect().subscribe('$SYS.REQ.SERVER.*.KICK', message => message.respond('{}'));
    await older.start();
    for (const id of ids) {
      await older.finish(
        older.fixture.requester.directory.operators.create({ name: id, readOnly: true }, act),
      );
      await older.register(id);
      await older.finish(older.fixture.requester.directory.approve(id, act));
    }
    return older;
  }

  private constructor(folder: string) {
    this.#folder = folder;
  }

  async start(more: Partial<RequesterOptions> = {}): Promise<void> {
    const { fixture } = this;
    const { clock } = fixture;
    fixture.connection = fixture.broker.connect();
    fixture.requester = fixture.newRequester(fixture.connection, {
      issuer: issuerKey,
      brokerAddresses: () => ({ servers: ['nats://head:4222'], pins: [], localOnly: true }),
      ledger: await Ledger.open(join(this.#folder, 'ledger.jsonl'), silentLog),
      ...more,
      storeMark: await StoreMark.open({ path: join(this.#folder, 'mark.json'), clock, log: silentLog }),
    });
    await this.finish(fixture.requester.start());
  }

  /** Lets time pass until `work` has settled. It may wait for the real disk, on which the ledger is. */
  async finish<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const end = () => {
      isDone = true;
    };
    work.then(end, end);
    await eventually('the work has ended', async () => {
      if (!isDone) await this.fixture.clock.advance(100);
      return isDone;
    });
    return work;
  }

  async kill(): Promise<void> {
    await this.fixture.connection.close();
    await this.finish(this.fixture.requester.stop());
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** Returns a copy of everything that is stored. */
  copy() {
    const { buckets, streams } = this.fixture.broker;
    return structuredClone({ buckets, streams });
  }

  /** Puts a copy back while no requester runs. */
  async putBack(copy: ReturnType<OlderStore['copy']>): Promise<void> {
    const { fixture } = this;
    await this.kill();
    fixture.broker.wipe();
    for (const [name, bucket] of copy.buckets) fixture.broker.buckets.set(name, bucket);
    for (const [name, stream] of copy.streams) fixture.broker.streams.set(name, stream);
    fixture.broker.start();
    await this.start();
  }

  async register(id: string): Promise<void> {
    const key = this.keys.get(id)?.publicKey;
    const info = { Info: { NodeID: id, NodeType: 'Compute', ComputeNodeInfo: {} }, Muster: { Version: '1' } };
    const node = this.fixture.broker.connect();
    const subject = `node.management.${id}.RegisterNode/v1`;
    await this.finish(node.request(subject, JSON.stringify(info), 30_000, `_INBOX.${key}.${++this.#asked}`));
    await node.close();
  }

  /** Returns what a client with this key gets: `node`, `refused`, or undefined for no answer. */
  async outcome(id: string, key: KeyPair): Promise<string | undefined> {
    const { broker, clock } = this.fixture;
    const reply = `$SYS._INBOX.o${++this.#asked}`;
    let outcome: string | undefined;
    const witness = broker.connect();
    witness.subscribe(reply, ({ data }) => {
      const { nats } = claimsOf(Buffer.from(data).toString()) as { nats: { jwt: string } };
      outcome = claimsOf(nats.jwt).exp === undefined ? 'node' : 'refused';
    });
    broker.inject(
      '$SYS.REQ.USER.AUTH',
      writeQuestion({ connection: this.#asked, key, name: `${id} instance=one` }),
      reply,
    );
    await clock.advance(1_000);
    await clock.settle();
    await witness.close();
    return outcome;
  }

  async decide(id: string, what: Decision): Promise<void> {
    const { fixture } = this;
    const { directory } = fixture.requester;
    const key = this.keys.get(id);
    if (!key) return;
    if (what === 'delete') await this.finish(directory.delete(id, act));
    if (what === 'ban') await this.finish(directory.delete(id, { ...act, isBan: true }));
    if (what === 'rekey') {
      const next = newKey();
      await this.outcome(id, next);
      await this.finish(directory.rekey(id, { ...act, fingerprint: fingerprint(next.publicKey) }));
      this.keys.set(id, next);
    } else this.keys.delete(id);
    this.gone.push({ id, key });
  }
}

type Decision = 'delete' | 'ban' | 'rekey';

test('whatever was decided, and however often the requester restarts, no key comes back with an older store', async () => {
  const step = fc.oneof(
    fc.record({ id: fc.constantFrom(...ids), what: fc.constantFrom<Decision>('delete', 'ban', 'rekey') }),
    fc.constant('restart' as const),
  );
  const runs = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async steps => {
    const older = await OlderStore.begin();
    const copy = older.copy();
    // A lease comes and goes, so that the copy is behind even without a decision.
    await older.restart();
    for (const each of steps) {
      if (each === 'restart') await older.restart();
      else await older.decide(each.id, each.what);
    }
    await older.fixture.clock.advance(2_000);
    await older.putBack(copy);
    await older.fixture.clock.advance(2_000);
    for (const { id, key } of older.gone)
      assert.notEqual(await older.outcome(id, key), 'node', `${id} ${JSON.stringify(steps)}`);
    for (const [id, key] of older.keys)
      assert.equal(await older.outcome(id, key), 'node', `${id} ${JSON.stringify(steps)}`);
    const shown = older.fixture.requester.directory.list().map(({ Info }) => Info.NodeID);
    assert.deepEqual(shown, [...[...older.keys.keys()].sort(), 'node-0'].sort());
    await older.kill();
  });
  await fc.assert(runs, { numRuns: 25 });
});

test('an older store voids codes and tokens of operators, and is shown until it is confirmed', async () => {
  const older = await OlderStore.begin();
  const { fixture } = older;
  const order = { ExpiresInSeconds: 3_600, Uses: 1, Approve: false, Labels: {}, Network: '' };
  await older.finish(fixture.requester.directory.joinCodes.create(order, act));
  const copy = older.copy();
  await older.fixture.clock.advance(2_000);
  await older.finish(fixture.requester.directory.operators.revoke('n-1', act));
  await fixture.clock.advance(2_000);
  await older.putBack(copy);
  const { directory } = fixture.requester;
  assert.deepEqual(
    directory.operators.list().map(({ Name }) => Name),
    ['n-0', 'n-2'],
  );
  assert.deepEqual(
    directory.joinCodes.list().map(({ State, RevokedBy }) => `${State} ${RevokedBy}`),
    ['revoked requester'],
  );
  const made = await older.finish(directory.joinCodes.create(order, act));
  const { state, troubles } = fixture.requester.status();
  assert.deepEqual([state, troubles?.map(({ code }) => code)], ['degraded', ['store_older']]);
  await older.finish(directory.confirmStore(act));
  assert.equal(fixture.requester.status().state, 'ready');
  await assert.rejects(directory.confirmStore(act), { code: 'conflict' });
  await older.restart();
  assert.equal(fixture.requester.status().state, 'ready');
  const valid = fixture.requester.directory.joinCodes.list().filter(({ State }) => State === 'valid');
  assert.deepEqual(
    valid.map(({ ID }) => ID),
    [made.JoinCode.ID],
    'a code that was made since is valid',
  );
  await older.kill();
});

test('what another requester decided since counts, unless the store is the own one', async () => {
  const older = await OlderStore.begin();
  const [id = ''] = ids;
  const key = older.keys.get(id);
  assert.ok(key);
  await older.decide(id, 'ban');
  await older.kill();
  // Another requester, with a folder of its own, lifts the ban in the same store.
  const bucket = await (await older.fixture.broker.connect().storage()).bucket(clusterBucket);
  const ban = await bucket.get(`ban.${key.publicKey}`);
  assert.ok(ban);
  await bucket.purge(ban.key, ban.revision, {});
  await older.start();
  assert.deepEqual(older.fixture.requester.directory.bans(), []);
  await older.decide('n-1', 'ban');
  await older.kill();
  const other = await bucket.get(`ban.${older.gone.at(-1)?.key.publicKey}`);
  assert.ok(other);
  await bucket.purge(other.key, other.revision, {});
  await older.start({ brokerFolder: '/nonexistent' });
  assert.equal(older.fixture.requester.directory.bans().length, 1, 'nobody else writes to the own store');
  await older.kill();
});
