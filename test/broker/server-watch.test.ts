// Watches real servers that hang, and real disks that are full and get space again.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { type Broker, type BrokerOptions, startBroker } from '../../agent/broker/broker.ts';
import { loadBrokerAccess } from '../../agent/broker/broker-access.ts';
import { watchTimesMs } from '../../agent/broker/server-health.ts';
import { ServerWatch } from '../../agent/broker/server-watch.ts';
import { connectTo } from '../support/connections.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeBroker } from '../support/fake-connection.ts';
import { findProgram } from '../support/find-program.ts';
import { localBroker } from '../support/local-broker.ts';
import { recordLog } from '../support/log-lines.ts';
import { isRunning } from '../support/processes.ts';
import { mountSmallDisk, type SmallDisk } from '../support/small-disk.ts';

const root = await mkdtemp(join(tmpdir(), 'muster-watch-'));
after(() => rm(root, { recursive: true }));

/** Times so short that a test need not wait long. */
const quick = { ...watchTimesMs, beat: 500, write: 500, failing: 1_000 };

/** Returns the keys of a requester whose broker has this folder. */
async function accessIn(folder: string) {
  await mkdir(`${folder}-keys`, { recursive: true });
  return await loadBrokerAccess(`${folder}-keys`);
}

async function start(
  t: TestContext,
  folder: string,
  { watchTimes = quick, ...options }: Partial<BrokerOptions> = {},
) {
  const { log, lines } = recordLog();
  const broker = await startBroker({
    ...localBroker,
    folder,
    access: await accessIn(folder),
    log,
    watchTimes,
    ...options,
  });
  t.after(() => broker.stop(0));
  return { broker, messages: () => lines.map(line => line.message) };
}

// Writes as the requester does, and returns what the broker answered.
async function store(broker: Broker): Promise<string> {
  const connection = connectTo(broker.url, { credentials: () => broker.credentials });
  try {
    await connection.connected();
    const bucket = await (await connection.storage()).bucket({ name: 'decisions', history: 1 });
    const revision = (await bucket.get('n'))?.revision ?? 0;
    await bucket.put('n', new Uint8Array(10_000), revision);
    return 'stored';
  } catch (error) {
    return String(error);
  } finally {
    await connection.close(0);
  }
}

// Returns a disk on which the events of a requester have room.
async function mountDisk(t: TestContext): Promise<SmallDisk | undefined> {
  const disk = await mountSmallDisk({ sizeKib: 16_384 });
  if (!disk) t.skip('only root can mount a small disk');
  else t.after(() => disk.release());
  return disk;
}

test('a server that hangs is killed and started again, with the reason in log and status', async t => {
  const watchTimes = { ...quick, silent: 2_000 };
  const { broker, messages } = await start(t, join(root, 'hang'), { watchTimes });
  const { pid } = broker;
  assert.ok(pid);
  assert.deepEqual([broker.problem, broker.restarts], [undefined, { count: 0 }]);
  process.kill(pid, 'SIGSTOP');
  await eventually('the problem shows', () => broker.problem === 'the broker does not answer');
  await eventually('it runs again', () => messages().includes('the broker runs again'));
  assert.equal(await isRunning(pid), false);
  assert.equal(broker.restarts.count, 1);
  assert.equal(broker.restarts.last?.reason, 'the broker has not answered for 2 s');
  assert.equal(broker.problem, undefined);
  assert.ok(messages().includes('the broker has not answered for 2 s: it is ended and started again'));
  assert.equal(await store(broker), 'stored');
});

test('a server that goes on after a while and takes the client again is not killed', async () => {
  const clock = new FakeClock();
  const connection = new FakeBroker(clock).connect();
  const restarts: string[] = [];
  const watch = new ServerWatch({
    connect: () => connection,
    testDisk: async () => ({ kind: 'writable' }),
    store: '/store',
    clock,
    log: recordLog().log,
    onProblem: () => undefined,
    onRestartDue: (_restart, problem) => restarts.push(problem),
  });
  watch.begin();
  await clock.advance(watchTimesMs.beat);
  // No ping is answered any more, and the client gives the link up.
  connection.flush = () => Promise.withResolvers<void>().promise;
  await clock.advance(watchTimesMs.silent - 1_000);
  connection.reconnect();
  await clock.advance(watchTimesMs.beat);
  assert.deepEqual(restarts, []);
  await clock.advance(watchTimesMs.silent);
  assert.equal(restarts.length, 1);
  watch.end();
});

test('a full disk is the problem that is shown, and causes no restart, and writes work again when it has space', async t => {
  const disk = await mountDisk(t);
  if (!disk) return;
  const folder = join(disk.folder, 'broker');
  const first = await start(t, folder);
  assert.equal(await store(first.broker), 'stored');
  await disk.fill();
  const problem = `the broker's store has no space left on ${join(folder, 'store')}`;
  // A server that answers late on a busy machine is another problem for a moment.
  await eventually('the problem shows', () => first.broker.problem === problem);
  assert.match(await store(first.broker), /no space left/);
  await first.broker.stop();

  // A server that starts on a full disk must not keep to what was free at its start.
  const { broker, messages } = await start(t, folder);
  await eventually('the problem shows', () => broker.problem === problem);
  await disk.makeRoom();
  assert.equal(await store(broker), 'stored');
  await eventually('the problem is over', () => broker.problem === undefined);
  assert.equal(broker.restarts.count, 0);
  assert.equal(messages().filter(message => message === problem).length, 1);
});

test('a store that takes no writes after its disk has space again gets another server', async t => {
  const disk = await mountDisk(t);
  if (!disk) return;
  const folder = join(disk.folder, 'broker');
  // Without its limit, nats-server keeps to three quarters of what was free at its start.
  const binary = join(root, 'nats-server');
  const script = `#!/bin/sh
if [ "$1" = --version ]; then exec ${await findProgram('nats-server')} --version; fi
sed /max_file_store/d "$2" >${join(root, 'nats.conf')}
exec ${await findProgram('nats-server')} -c ${join(root, 'nats.conf')}
`;
  await writeFile(binary, script, { mode: 0o755 });
  const before = await start(t, folder, { binary });
  assert.equal(await store(before.broker), 'stored');
  await before.broker.stop();
  await disk.fill();
  const { broker, messages } = await start(t, folder, { binary });
  const full = `the broker's store has no space left on ${join(folder, 'store')}`;
  await eventually('the problem shows', () => broker.problem === full);
  // NATS server 2.10 speaks of "insufficient storage resources".
  assert.match(await store(broker), /insufficient (?:storage )?resources/);
  await disk.makeRoom();
  await eventually('it runs again', () => messages().includes('the broker runs again'));
  assert.equal(await store(broker), 'stored');
  assert.equal(broker.restarts.count, 1);
  assert.match(broker.restarts.last?.reason ?? '', /^the broker's store takes no writes: .*insufficient/);
});
