// A node exchanges its key: whatever is lost or killed on the way, it ends with the key that the requester knows.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { loadIdentity } from '../../../agent/compute/registration/identity.ts';
import { KeyRotation } from '../../../agent/compute/registration/key-rotation.ts';
import { NodeKey } from '../../../agent/compute/registration/node-key.ts';
import type { Answer } from '../../../agent/protocol/answers.ts';
import { isSignedByNext } from '../../../agent/protocol/key-rotation.ts';
import { fingerprint } from '../../../agent/protocol/nkey.ts';
import type { Refusal } from '../../../agent/protocol/refusal.ts';
import { limitedLog } from '../../../agent/system/limited-log.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { BrokerError } from '../../../agent/transport/port.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { steadyRandom } from '../../support/steady-random.ts';
import { newFolder } from '../../support/temporary.ts';

const node = 'node-1';

/** What happens to a request: it never arrives, its answer is lost, the agent dies before or after it is sent, or all is well. */
type Fate =
  | 'request lost'
  | 'answer lost'
  | 'killed when the key was made'
  | 'killed before the answer'
  | 'killed before the move'
  | 'well';
const fates: Fate[] = [
  'request lost',
  'answer lost',
  'killed when the key was made',
  'killed before the answer',
  'killed before the move',
  'well',
];

/** A requester that knows one key of the node, and an agent on a folder, which is started again when it was killed. */
class World {
  readonly clock = new FakeClock();
  readonly folder: string;
  known = '';
  readonly #works: Promise<unknown>[] = [];
  #fate: Fate = 'well';
  isDead = false;
  key!: NodeKey;
  rotation!: KeyRotation;
  answer: Partial<Answer> | undefined;

  constructor(folder: string) {
    this.folder = folder;
  }

  async start(): Promise<void> {
    this.isDead = false;
    this.key = await NodeKey.load(this.folder);
    this.known ||= this.key.publicKey;
    const { key } = this;
    this.rotation = new KeyRotation({
      node,
      clock: this.clock,
      random: steadyRandom(0.5),
      log: silentLog,
      limitedLog: limitedLog(silentLog, this.clock),
      connection: {
        state: { kind: 'connected', server: '', version: '', isEncrypted: false },
        reconnect: () => undefined,
      },
      client: { rotateKey: (Key, Signature) => this.#track(this.#ask(Key, Signature)) },
      key: {
        get publicKey() {
          return key.publicKey;
        },
        get next() {
          return key.next;
        },
        makeNext: () => key.makeNext(),
        drop: () => this.#track(key.drop()),
        // A process that is killed here leaves the file of the old key.
        promote: async () =>
          this.#fate === 'killed before the move' ? this.#die() : this.#track(key.promote()),
      },
    });
  }

  /** Lets the agent go on, with this fate of its next request, until nothing more happens. */
  async goOn(fate: Fate): Promise<void> {
    this.#fate = fate;
    if (this.isDead) await this.start();
    // The broker lets in only the key that the requester knows, and says so to any other.
    if (this.key.publicKey === this.known) this.rotation.resume();
    else await this.rotation.onRefused(refusalOf(this.key.publicKey, this.known));
    await this.#settle();
  }

  async begin(fate: Fate): Promise<void> {
    this.#fate = fate;
    await this.key.makeNext();
    if (fate === 'killed when the key was made') return this.#die();
    await this.rotation.begin();
    await this.#settle();
  }

  /** Waits for everything that was begun, which takes files and so real time. */
  async #settle(): Promise<void> {
    do {
      await Promise.allSettled(this.#works.splice(0));
      await new Promise(resolve => setImmediate(resolve));
    } while (this.#works.length > 0);
  }

  #track<T>(work: Promise<T>): Promise<T> {
    this.#works.push(work);
    return work;
  }

  async #ask(Key: string, Signature: string): Promise<Answer> {
    await null;
    if (this.#fate === 'request lost') throw new BrokerError('timeout', 'lost');
    if (this.answer) return { accepted: false, reason: '', ...this.answer };
    assert.equal(this.key.publicKey, this.known, 'only the known key is let in');
    assert.ok(isSignedByNext({ NodeID: node, Key, Signature }, this.known));
    this.known = Key;
    if (this.#fate === 'killed before the answer') this.#die();
    if (this.#fate !== 'well' && this.#fate !== 'killed before the move')
      throw new BrokerError('disconnected', 'the requester ended the connection before the answer came');
    return { accepted: true, reason: '' };
  }

  #die(): void {
    this.isDead = true;
    this.rotation.stop();
  }
}

const refusalOf = (shown: string, known: string): Refusal => ({
  code: 'conflict',
  reason: 'another key',
  hint: '',
  fingerprint: fingerprint(shown),
  record: { id: node, fingerprint: fingerprint(known) },
});

async function begin(): Promise<World> {
  const world = new World(await newFolder());
  await world.start();
  return world;
}

describe('the exchange of a key', () => {
  test('ends with the key that the requester knows, wherever it was cut off', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...fates), { minLength: 1, maxLength: 6 }), async plan => {
        const world = await begin();
        const old = world.known;
        const [first = 'well', ...others] = plan;
        await world.begin(first);
        for (const fate of others) await world.goOn(fate);
        // At any moment, the node has the key on its disk that the requester knows.
        const onDisk = await NodeKey.load(world.folder);
        assert.ok([onDisk.publicKey, onDisk.next?.publicKey].includes(world.known));
        await world.goOn('well');
        await world.goOn('well');
        assert.equal(world.key.publicKey, world.known);
        assert.notEqual(world.known, old);
        assert.equal((await loadIdentity(world.folder)).publicKey, world.known);
        assert.deepEqual(await readdir(world.folder), ['identity.nk']);
      }),
      { numRuns: 30 },
    );
  });

  test('that the requester refuses leaves the key as it was', async () => {
    const world = await begin();
    const { known } = world;
    world.answer = { accepted: false, reason: 'the new key is banned' };
    await world.begin('well');
    assert.deepEqual(world.rotation.progress, { kind: 'refused', reason: 'the new key is banned' });
    assert.equal(world.key.publicKey, known);
    assert.deepEqual(await readdir(world.folder), ['identity.nk']);
  });

  test('that the requester cannot store now is asked for again', async () => {
    const world = await begin();
    const { known } = world;
    const muster = {
      Version: '',
      ClusterID: '',
      RequesterID: '',
      Membership: '' as const,
      Code: 'unavailable',
    };
    world.answer = { accepted: false, reason: 'no room', muster };
    await world.begin('well');
    assert.deepEqual(world.rotation.progress, { kind: 'asking' });
    world.answer = undefined;
    await world.clock.advance(3_000);
    await world.goOn('well');
    assert.notEqual(world.known, known);
    assert.equal(world.key.publicKey, world.known);
  });

  test('is not believed from a refusal that names a third key', async () => {
    const world = await begin();
    const { known } = world;
    await world.begin('request lost');
    const third = { ...refusalOf(known, known), record: { id: node, fingerprint: 'AAAA-AAAA-AAAA-AAAA' } };
    assert.equal(await world.rotation.onRefused(third), false);
    assert.equal(world.key.publicKey, known);
  });
});
