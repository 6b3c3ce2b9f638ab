// A real node exchanges its key, also when its agent or the requester is killed on the way.
import assert from 'node:assert/strict';
import { access, cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { AgentStatus } from '../../agent/compute/agent-status.ts';
import { loadIdentity, readNextIdentity } from '../../agent/compute/registration/identity.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { muster, type Program } from '../support/program.ts';
import { readShown } from '../support/read-shown.ts';

describe('muster agent rotate-key', () => {
  let cluster: Cluster;
  let requester: Program;
  let agent: Program;

  before(async () => {
    cluster = await Cluster.create();
    requester = await cluster.requester();
    agent = await cluster.approvedAgent('node-1');
  });

  after(() => cluster.release());

  const folder = () => join(cluster.folderOf('node-1'), 'agent');
  const rotate = (of = 'node-1') => muster(['agent', 'rotate-key', '--data-dir', cluster.folderOf(of)]);
  const fingerprintOf = async () => (await loadIdentity(folder())).fingerprint;
  const known = async () => (await cluster.node('node-1'))?.Muster.Fingerprint;
  const statusOf = async (of: string) => {
    const { stdout } = await muster(['status', '-o', 'json', '--data-dir', cluster.folderOf(of)]);
    return stdout === '' ? undefined : readShown<AgentStatus[]>(stdout)[0];
  };
  const untilExchanged = async (before: string | undefined) => {
    await eventually('the requester and the node have the same new key', async () => {
      const [there, here] = [await known(), await fingerprintOf()];
      return there !== before && there === here && !(await isThere('identity.next.nk'));
    });
    // The list of nodes may still say what it said of the node under its old key.
    await eventually(
      'the agent is accepted under its new key',
      async () => (await statusOf('node-1'))?.state === 'approved',
    );
  };
  const isThere = (name: string) =>
    access(join(folder(), name)).then(
      () => true,
      () => false,
    );

  /** Suspends the requester and asks for another key. Returns the command that runs, when the new key is on the disk. */
  const rotateUnheard = async () => {
    for (;;) {
      requester.signal('SIGSTOP');
      let hasEnded = false;
      const command = rotate().finally(() => {
        hasEnded = true;
      });
      await eventually('the new key is on the disk', async () => hasEnded || isThere('identity.next.nk'));
      if (await isThere('identity.next.nk')) return { command };
      // Just then the agent was registering under its last key, and a node that is not accepted exchanges none.
      requester.signal('SIGCONT');
      await eventually('the agent is accepted', async () => (await statusOf('node-1'))?.state === 'approved');
    }
  };

  it('gives the node another key, which everything shows, and the node stays what it is', async () => {
    await cp(folder(), join(cluster.folderOf('copy'), 'agent'), {
      recursive: true,
      filter: path => !/\.(sock|tmp)$/.test(path),
    });
    const before = await fingerprintOf();
    const { code, stdout, stderr } = await rotate();
    assert.deepEqual([code, stdout], [0, 'Ok\n'], stderr);
    const now = await fingerprintOf();
    assert.notEqual(now, before);
    assert.equal(stderr, `The node has the key ${now} now. The old one, ${before}, is void.\n`);
    await untilExchanged(before);
    await cluster.until('node-1', 'APPROVED HEALTHY');
    await eventually('the status shows the new key', async () => {
      const status = await statusOf('node-1');
      return status?.fingerprint === now && status.state === 'approved';
    });
    assert.match(
      (await cluster.command('node', 'describe', 'node-1')).stdout,
      new RegExp(`fingerprint +${now}`),
    );
    await eventually('the registration is kept under the new key', async () => {
      const { publicKey } = await loadIdentity(folder());
      return (await cluster.sentinel('node-1'))?.key === publicKey;
    });
    await eventually('it is told', async () => (await cluster.kindsOf('node-1')).includes('rekeyed'));
    const rekeyed = (await cluster.events()).find(({ type }) => type.endsWith('.rekeyed'));
    const { actor, fingerprint, previousFingerprint } = rekeyed?.data ?? {};
    assert.deepEqual([actor, fingerprint, previousFingerprint], ['node-1', now, before]);
  });

  it('leaves a copy with the old key out, and tells it what happened', async () => {
    const copy = await cluster.agent('copy', { 'node.id': 'node-1' }, { wait: false });
    await eventually('the copy is refused', async () => {
      const [trouble] = (await statusOf('copy'))?.troubles ?? [];
      return /another key, .*, which replaced this one at 2.*reset-identity/.test(
        `${trouble?.text}; ${trouble?.hint}`,
      );
    });
    await copy.stop();
  });

  it('is finished by the next agent when this one is killed before it has the answer', async () => {
    const before = await known();
    const asked = await rotateUnheard();
    const next = (await readNextIdentity(folder()))?.fingerprint;
    await agent.kill();
    assert.notEqual((await asked.command).code, 0);
    requester.signal('SIGCONT');
    agent = await cluster.agent('node-1', {}, { wait: false });
    await untilExchanged(before);
    assert.equal(await known(), next);
    await cluster.until('node-1', 'APPROVED HEALTHY');
  });

  it('is finished with the next requester when this one is killed before it answers', async () => {
    const before = await known();
    const asked = await rotateUnheard();
    await requester.kill();
    requester = await cluster.requester();
    await untilExchanged(before);
    await asked.command;
    await cluster.until('node-1', 'APPROVED HEALTHY');
    assert.deepEqual(
      (await readdir(folder())).filter(name => name.startsWith('identity')),
      ['identity.nk'],
    );
    const told = async () => (await cluster.kindsOf('node-1')).filter(kind => kind === 'rekeyed').length;
    await eventually('each is told', async () => (await told()) >= 3);
    assert.equal(await told(), 3);
  });

  it('says what to do where no agent runs', async () => {
    const { code, stderr } = await rotate('nobody');
    assert.equal(code, 69);
    assert.match(stderr, /no agent runs here.*\n.*start it/);
  });
});
