// Real agents with keys of their own: what is shown of a key, who inherits nothing, and how a node comes back or never does.
import assert from 'node:assert/strict';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { AgentStatus } from '../../agent/compute/agent-status.ts';
import { loadIdentity } from '../../agent/compute/registration/identity.ts';
import { Cluster, patient } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { muster, type Program } from '../support/program.ts';
import { readShown } from '../support/read-shown.ts';

describe('the key of a node', () => {
  let cluster: Cluster;
  let requester: Program;

  before(async () => {
    cluster = await Cluster.create({ settings: patient });
    requester = await cluster.requester();
  });

  after(() => cluster.release());

  const ok = async (...args: string[]) => {
    const { code, stdout, stderr } = await cluster.command('node', ...args);
    assert.deepEqual([code, stdout, stderr], [0, 'Ok\n', '']);
  };
  const show = async (...args: string[]) =>
    (await cluster.command('node', ...args)).stdout.replace(/\s+/g, ' ');
  const statusOf = async (folder: string) => {
    const { stdout } = await muster(['status', '-o', 'json', '--data-dir', cluster.folderOf(folder)]);
    // An agent that starts has no socket yet.
    return stdout === '' ? undefined : readShown<AgentStatus[]>(stdout)[0];
  };
  const untilStatus = (folder: string, what: string, test: (status: AgentStatus) => boolean) =>
    eventually(`the agent in ${folder} ${what}`, async () => {
      const status = await statusOf(folder);
      return status !== undefined && test(status);
    });
  const untilRefused = (folder: string, text: RegExp) =>
    untilStatus(
      folder,
      `is refused: ${text}`,
      ({ state, troubles = [] }) =>
        state === 'refused' && troubles.some(trouble => text.test(`${trouble.text}; ${trouble.hint}`)),
    );
  /** Starts an agent for the node `id` on another folder than the node's. */
  const other = (folder: string, id: string, more = {}) =>
    cluster.agent(folder, { 'node.id': id, ...more }, { wait: false });
  const fingerprintOf = async (folder: string) =>
    (await loadIdentity(join(cluster.folderOf(folder), 'agent'))).fingerprint;
  const registerByHand = async (folder: string) => {
    const { code } = await muster(['agent', 'register', '--data-dir', cluster.folderOf(folder)]);
    assert.equal(code, 0);
  };
  const eventsOf = async (id: string, kind: string) =>
    (await cluster.events()).filter(({ subject, type }) => subject === id && type.endsWith(`.${kind}`));
  /** Returns the first event of this kind, which may come a moment after what it tells. */
  const eventOf = async (id: string, kind: string) => {
    await eventually(`${id} ${kind} is told`, async () => (await eventsOf(id, kind)).length > 0);
    return (await eventsOf(id, kind))[0];
  };

  it('has the same fingerprint everywhere, and an approval can name it', async () => {
    await cluster.agent('node-1');
    const fingerprint = await fingerprintOf('node-1');
    assert.match(await show('list', '-o', 'wide'), new RegExp(`node-1 Compute PENDING .* ${fingerprint} `));
    assert.match(await show('list', '-o', 'wide'), /node-0 Requester .* - - /);
    assert.match(await show('describe', 'node-1'), new RegExp(`fingerprint ${fingerprint}`));
    assert.equal((await cluster.node('node-1'))?.Muster.Fingerprint, fingerprint);
    assert.equal((await statusOf('node-1'))?.fingerprint, fingerprint);
    const registered = await eventOf('node-1', 'registered');
    assert.equal(registered?.data.fingerprint, fingerprint);

    const wrong = await cluster.command('node', 'approve', 'node-1', '--fingerprint', 'AAAA-AAAA-AAAA-AAAA');
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, new RegExp(`has the key ${fingerprint}, and not AAAA-AAAA-AAAA-AAAA`));
    const none = await cluster.command('node', 'approve', 'node-1', '--fingerprint', '');
    assert.deepEqual([none.code, none.stderr.split('\n')[0]], [64, 'Error: "" is no fingerprint']);
    await cluster.until('node-1', 'PENDING HEALTHY');
    await ok('approve', 'node-1', '--fingerprint', fingerprint.toLowerCase().replaceAll('-', ''));
    await cluster.until('node-1', 'APPROVED HEALTHY');
    const [line] = requester.logged('node approved');
    assert.equal(line?.fingerprint, fingerprint);
  });

  it('is the only one that the id belongs to, until an operator gives the record to another', async () => {
    const reinstalled = await other('reinstalled', 'node-1', { 'log.level': 'debug' });
    await untilRefused('reinstalled', /node-1 has another key/);
    const known = await fingerprintOf('node-1');
    const wanted = await fingerprintOf('reinstalled');
    await untilRefused(
      'reinstalled',
      new RegExp(`${wanted}.*node-1 has another key, ${known}.*rekey node-1`),
    );
    // It learned on its first link that it may send nothing but the question why.
    const denied = reinstalled.logged('the broker does not permit this').map(({ subject }) => `${subject}`);
    assert.deepEqual(
      denied.filter(subject => subject.startsWith('node.management.')),
      ['node.management.node-1.RegisterNode/v1'],
    );
    assert.deepEqual([denied.length, (await statusOf('reinstalled'))?.heartbeats], [3, 0], denied.join());
    await cluster.until('node-1', 'APPROVED HEALTHY');
    assert.match(await show('list', '-o', 'wide'), new RegExp(`node-1 .* ${known} conflict `));
    assert.match(
      await show('describe', 'node-1'),
      new RegExp(`conflict the key ${wanted}, on .* wants to be this node; it has ${known}, on `),
    );
    const conflict = await eventOf('node-1', 'conflict');
    const { agents = [] } = (conflict?.data.evidence ?? {}) as {
      agents?: { fingerprint: string; address: string }[];
    };
    assert.deepEqual(
      agents.map(({ fingerprint, address }) => [fingerprint, address]),
      [
        [known, '127.0.0.1'],
        [wanted, '127.0.0.1'],
      ],
    );

    const unknown = await cluster.command('node', 'rekey', 'node-1', '--fingerprint', 'AAAA-AAAA-AAAA-AAAA');
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, new RegExp(`these keys wanted it: ${wanted}`));
    await ok('rekey', 'node-1', '--fingerprint', wanted);
    await untilStatus('reinstalled', 'is approved', ({ state }) => state === 'approved');
    await untilRefused('node-1', new RegExp(`${known}.*node-1 has another key, ${wanted}`));
    await cluster.until('node-1', 'APPROVED HEALTHY');
    const rekeyed = await eventOf('node-1', 'rekeyed');
    assert.deepEqual([rekeyed?.data.fingerprint, rekeyed?.data.previousFingerprint], [wanted, known]);
  });

  it('brings a deleted node back by hand, without a join code', async () => {
    await cluster.agent('node-2');
    await ok('approve', 'node-2');
    await ok('delete', 'node-2', '-m', 'returned to the vendor');
    await untilStatus(
      'node-2',
      'is quiet',
      ({ state, reason }) => state === 'deleted' && reason === 'returned to the vendor',
    );
    assert.equal(await cluster.stateOf('node-2'), undefined);
    await registerByHand('node-2');
    await cluster.until('node-2', 'PENDING HEALTHY');
    assert.equal((await cluster.node('node-2'))?.Muster.Fingerprint, await fingerprintOf('node-2'));
    const told = async () =>
      (await cluster.kindsOf('node-2')).filter(kind => /registered|deleted/.test(kind));
    await eventually('all of it is told', async () => (await told()).length >= 3);
    assert.deepEqual(await told(), ['registered', 'deleted', 'registered']);
  });

  it('is refused for ever once it is banned, until an operator lifts the ban', async () => {
    const banned = await fingerprintOf('node-2');
    const answer = await fetch(`http://127.0.0.1:${cluster.apiPort}/api/v1/orchestrator/nodes/node-2`, {
      method: 'PUT',
      headers: { connection: 'close', authorization: `Bearer ${await cluster.operatorToken()}` },
      body: JSON.stringify({ Action: 'delete', Ban: true, ShownMembership: 'APPROVED' }),
    });
    assert.equal(answer.status, 409, await answer.text());
    assert.equal((await cluster.command('node', 'unban', banned)).code, 1, 'it bans no key');
    await ok('delete', 'node-2', '--ban', '-m', 'stolen');
    await untilRefused('node-2', new RegExp(`${banned}.*banned by .* at .*: stolen; .*unban ${banned}`));
    await registerByHand('node-2');
    await untilRefused('node-2', /banned/);
    assert.match(await show('bans'), new RegExp(`${banned} node-2 .* stolen`));
    await requester.stop();
    requester = await cluster.requester();
    await registerByHand('node-2');
    await untilRefused('node-2', /banned/);
    await ok('unban', banned);
    await registerByHand('node-2');
    await cluster.until('node-2', 'PENDING HEALTHY');
    assert.equal((await cluster.command('node', 'unban', banned)).code, 1);
  });

  it('serves one process at a time: a copy is refused, and comes in when the first one does not answer', async () => {
    const first = await cluster.agent('node-3');
    await cp(join(cluster.folderOf('node-3'), 'agent'), join(cluster.folderOf('copy'), 'agent'), {
      recursive: true,
      filter: path => !/\.(sock|tmp)$/.test(path),
    });
    let copy = await other('copy', 'node-3');
    await untilRefused('copy', /another running agent uses the key of node node-3.*reset-identity/);
    await cluster.until('node-3', 'PENDING HEALTHY');
    assert.match(await show('describe', 'node-3'), /conflict two agents use this key/);
    await copy.stop();

    // The machine of the first one loses its power: nothing answers, and the connection stays open.
    first.signal('SIGSTOP');
    copy = await other('copy', 'node-3');
    await untilStatus('copy', 'is in', ({ state }) => state === 'pending');
    first.signal('SIGCONT');
    await untilRefused('node-3', /another running agent uses the key/);

    const running = await muster(['agent', 'reset-identity', '--data-dir', cluster.folderOf('copy')]);
    assert.equal(running.code, 1);
    assert.match(running.stderr, /runs/);
    await copy.stop();
    await untilStatus('node-3', 'is in again', ({ state }) => state === 'pending');
    const reset = await muster(['agent', 'reset-identity', '--data-dir', cluster.folderOf('copy')]);
    assert.deepEqual([reset.code, reset.stdout], [0, 'Ok\n']);
    assert.match(reset.stderr, /needs a join code/);
    assert.notEqual(await fingerprintOf('copy'), await fingerprintOf('node-3'));
    await rm(cluster.folderOf('copy'), { recursive: true });
  });
});
