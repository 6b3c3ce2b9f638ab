// What approved nodes may do besides, on a real broker: the programs of docs/scheduler.md, and who tries to do more.
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { loadIdentity } from '../../agent/compute/registration/identity.ts';
import type { Connection } from '../../agent/transport/port.ts';
import { Cluster } from '../support/cluster.ts';
import { text } from '../support/connections.ts';
import { eventually } from '../support/eventually.ts';
import { readPage } from '../support/pages.ts';
import { connectAsRequester } from '../support/pinned-keys.ts';
import type { Program } from '../support/program.ts';
import { RawClient } from '../support/raw-client.ts';

describe('subjects for approved nodes', () => {
  let cluster: Cluster;
  let agent: Program;
  let witness: Connection;
  const results: string[] = [];
  let worker: ChildProcess | undefined;

  before(async () => {
    cluster = await Cluster.create({
      settings: {
        // What is tested here is no silence of the node.
        'requester.nodeDisconnectedAfter': '6s',
        'requester.nodeUnknownAfter': '12s',
        'broker.approved.publish': 'results.{nodeId}',
        'broker.approved.subscribe': 'work.{nodeId}',
        // Who reads the roll shows a token, as the scheduler has to from another machine.
        'api.openReads': false,
      },
    });
    await cluster.requester();
    agent = await cluster.agent('node-1');
    witness = await connectAsRequester(cluster);
    witness.subscribe('results.*', ({ subject, data }) => void results.push(`${subject} ${text(data)}`));
    await witness.flush(5_000);
  });

  after(async () => {
    worker?.kill('SIGKILL');
    await witness?.close(0);
    await cluster.release();
  });

  /** Connects with the key of the node as a program that wants to work. */
  const work = async (instance = 'worker') => {
    const key = await loadIdentity(join(cluster.folderOf('node-1'), 'agent'));
    const client = await RawClient.open(cluster.brokerPort, {
      name: `node-1 instance=${instance} intent=work`,
      // A plain client shows the key as it stands in the file.
      key: { ...key, userKey: key.publicKey },
    });
    client.subscribe('work.node-1');
    return { client, complaints: await client.complaints() };
  };
  const reconnections = () => agent.logged('connected to the broker again').length;

  it('are closed to a node that waits for approval', async () => {
    const { client, complaints } = await work();
    assert.match(complaints.join(), /Permissions Violation for Subscription to "work.node-1"/);
    client.close();
  });

  it('are open once it is approved: its agent is back at once, and a program beside it gets work', async () => {
    await cluster.decide('node-1', 'approve');
    await eventually('the agent is connected again', () => reconnections() === 1);
    await cluster.until('node-1', 'APPROVED HEALTHY');
    const { client, complaints } = await work();
    assert.deepEqual(complaints, []);
    const got = new Promise<string>(resolve => {
      client.onMessage = ({ data }) => resolve(data);
    });
    witness.publish('work.node-1', 'job 1');
    assert.equal(await got, 'job 1');
    client.publish('results.node-1', 'done 1');
    assert.deepEqual(await client.complaints(), []);
    await eventually('the result comes', () => results.includes('results.node-1 done 1'));

    for (const subject of [
      'results.node-2',
      'node.management.node-1.Leave/v1',
      'node.alive.node-1',
      'work.node-1',
    ])
      client.publish(subject, 'forged');
    client.subscribe('work.node-2');
    client.subscribe('node.events.node-1.*');
    client.subscribe('results.node-1');
    assert.equal((await client.complaints()).length, 7);
    assert.deepEqual(results, ['results.node-1 done 1']);

    const second = await work();
    assert.match(second.complaints.join(), /Permissions Violation/, 'only one program at a time');
    second.client.close();
    await cluster.until('node-1', 'APPROVED HEALTHY');
    const conflicts = async () => (await cluster.kindsOf('node-1')).filter(kind => kind === 'conflict');
    assert.deepEqual(await conflicts(), []);
    // Somebody with a copy of the key takes the place of the worker from the same address, or wants to: that is shown.
    const thief = await work('thief');
    assert.match(thief.complaints.join(), /Permissions Violation/);
    thief.client.close();
    await eventually('the conflict is announced', async () => (await conflicts()).length === 1);
    assert.match((await cluster.command('node', 'list', '-o', 'wide')).stdout, /node-1 .* conflict /);
    assert.match(
      (await cluster.command('node', 'describe', 'node-1')).stdout.replace(/\s+/g, ' '),
      /conflict two programs want to work with this key: .* muster agent rotate-key/,
    );
    assert.ok((await cluster.status()).counters.conflicts > 0);

    await cluster.decide('node-1', 'reject');
    await client.closed;
    await eventually('the agent is connected again', () => reconnections() === 2);
    const rejected = await work();
    assert.match(rejected.complaints.join(), /Permissions Violation/);
    rejected.client.close();
  });

  it('cost no node its health', async () => {
    await cluster.decide('node-1', 'approve');
    await eventually('the agent is connected again', () => reconnections() === 3);
    await cluster.until('node-1', 'APPROVED HEALTHY');
    const told = async () =>
      (await cluster.kindsOf('node-1')).filter(kind => /^(?:un)?healthy|unknown|left$/.test(kind));
    await eventually('its health is told', async () => (await told()).length > 0);
    assert.deepEqual(await told(), ['healthy']);
    // Being connected anew is planned, and no reason to warn somebody.
    assert.doesNotMatch(agent.stderr, /"level":"warn".*"lost the broker/);
  });

  it('serve the worker of docs/scheduler.md, as it stands on the page', async () => {
    const script = programOf(await readPage('docs/scheduler.md'), 'worker.mjs');
    await symlink(resolve('node_modules'), join(cluster.folder, 'node_modules'));
    await writeFile(join(cluster.folder, 'worker.mjs'), script);
    const words = ['worker.mjs', join(cluster.folderOf('node-1'), 'agent'), 'node-1'];
    worker = spawn(process.execPath, words, { cwd: cluster.folder, stdio: 'inherit' });
    // Nobody hears a job that comes before the worker.
    await eventually('the worker answers', () => {
      witness.publish('work.node-1', '{"job":7}');
      return results.includes('results.node-1 {"job":7,"from":"node-1"}');
    });
  });

  it('serve the scheduler of docs/scheduler.md, which a listener may be that was made for it', async () => {
    const file = join(cluster.folder, 'scheduler.json');
    const made = await cluster.command(
      ...['listener', 'create', 'scheduler', '--work', '-o', 'json', '--save', file],
    );
    assert.equal(made.code, 0, made.stderr);
    const { Token: token } = JSON.parse(await readFile(file, 'utf8'));
    await writeFile(
      join(cluster.folder, 'scheduler.mjs'),
      programOf(await readPage('docs/scheduler.md'), 'scheduler.mjs'),
    );
    const tokenFile = join(cluster.folder, 'scheduler.token');
    const reading = await cluster.command(
      ...['operator', 'create', 'scheduler', '--read-only', '--save', tokenFile],
    );
    assert.equal(reading.code, 0, reading.stderr);
    const words = [
      'scheduler.mjs',
      'scheduler.json',
      'scheduler.token',
      `http://127.0.0.1:${cluster.apiPort}`,
    ];
    const { stdout } = await promisify(execFile)(process.execPath, words, {
      cwd: cluster.folder,
      timeout: 90_000,
    });
    assert.equal(stdout, 'results.node-1 {"job":0,"from":"node-1"}\n');

    const members = { user: 'work', pass: token };
    const client = await RawClient.open(cluster.brokerPort, { members });
    for (const subject of [
      'results.node-1',
      'node.management.node-1.Leave/v1',
      '$JS.API.INFO',
      'muster.why.x',
    ])
      client.publish(subject, 'forged');
    for (const subject of ['work.node-1', 'node.events.>', '_INBOX.>', '>']) client.subscribe(subject);
    assert.equal((await client.complaints()).length, 8);
    const { code } = await cluster.command('listener', 'revoke', 'scheduler');
    assert.equal(code, 0);
    await client.closed;
  });
});

/** Returns the program on a page whose first line names it. */
function programOf(page: string, name: string): string {
  const [, program] = new RegExp(`\`\`\`js\n(// ${name}:[\\s\\S]*?)\`\`\``).exec(page) ?? [];
  return program ?? assert.fail(`the page has no ${name}`);
}
