// A newer program replaces one that runs, as a package manager does it. The role keeps running, and starts again with the
// same identity and state.
import assert from 'node:assert/strict';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { version } from '../../agent/system/version.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import type { Program } from '../support/program.ts';
import { copyProgram, setVersion } from '../support/program-copy.ts';
import { newFolder } from '../support/temporary.ts';

const newer = '99.0.0';

describe('a program that is replaced while it runs', () => {
  let installed: string;
  let cluster: Cluster;
  let requester: Program;

  before(async () => {
    installed = join(await newFolder(), 'muster');
    await copyProgram(installed);
    cluster = await Cluster.create();
    requester = await cluster.requester({}, { main: main() });
  });

  after(() => cluster?.release());

  const main = () => join(installed, 'agent', 'main.ts');

  /** Replaces the program by one of another version, at once and completely. */
  async function install(next: string): Promise<void> {
    await copyProgram(`${installed}.new`);
    await setVersion(`${installed}.new`, next);
    await rename(installed, `${installed}.old`);
    await rename(`${installed}.new`, installed);
    await rm(`${installed}.old`, { recursive: true });
  }

  const lastHeartbeat = async () => (await cluster.node('node-1'))?.ConnectionState.LastHeartbeat;

  async function sendsHeartbeats(): Promise<void> {
    const last = await lastHeartbeat();
    await eventually('another heartbeat', async () => (await lastHeartbeat()) !== last);
  }

  // On a busy machine it may warn about late answers.
  const quiet = ({ stderr }: { stderr: string }) =>
    assert.doesNotMatch(stderr, /"level":"error"|set aside|cannot be read|registering again/);

  it('keeps identity and session as an agent, does not register again, and the requester knows its version', async () => {
    const agent = await cluster.agent('node-1', {}, { main: main() });
    await cluster.decide('node-1', 'approve');
    await cluster.until('node-1', 'APPROVED HEALTHY');
    await agent.untilPrinted(/"msg":"approved"/);
    const sentinel = await cluster.sentinel('node-1');
    assert.equal((await cluster.node('node-1'))?.Info.Agent?.Version, version);
    await install(newer);
    await sendsHeartbeats();
    // The child that it starts, and code that it loads only now, are of the newer version.
    agent.signal('SIGHUP');
    await agent.untilPrinted(/"msg":"configuration read again"/);
    await sendsHeartbeats();
    const stopped = await agent.stop();
    assert.equal(stopped.code, 0);
    quiet(stopped);

    const again = await cluster.agent('node-1', {}, { main: main() });
    await cluster.until('node-1', 'APPROVED HEALTHY');
    await eventually(
      'its version',
      async () => (await cluster.node('node-1'))?.Info.Agent?.Version === newer,
    );
    assert.deepEqual(await cluster.sentinel('node-1'), sentinel);
    assert.deepEqual(identity(again), identity(agent));
    assert.equal((await cluster.kindsOf('node-1')).filter(kind => kind === 'registered').length, 1);
    quiet(again);
  });

  it('keeps nodes and cluster id as a requester, and its nodes need not register', async () => {
    const sentinel = await cluster.sentinel('node-1');
    const { clusterId, version: before } = await cluster.status();
    assert.equal(before, version);
    const stopped = await requester.stop();
    assert.equal(stopped.code, 0);
    const again = await cluster.requester({}, { main: main() });
    const after = await cluster.status();
    assert.deepEqual([after.version, after.clusterId], [newer, clusterId]);
    await cluster.until('node-1', 'APPROVED HEALTHY');
    await sendsHeartbeats();
    assert.deepEqual(await cluster.sentinel('node-1'), sentinel);
    assert.equal((await cluster.kindsOf('node-1')).filter(kind => kind === 'registered').length, 1);
    quiet(again);
  });
});

const identity = (agent: Program) =>
  agent.logged('the agent starts').map(line => [line.node, line.fingerprint]);
