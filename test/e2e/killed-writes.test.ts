// An agent is killed, or gets an error, at the steps by which it writes its state files: at some of those of each file, which a
// seed chooses. The next start works, with the same identity.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { encodeSeed } from '../../agent/protocol/nkey.ts';
import { Cluster } from '../support/cluster.ts';
import { errors, sentenceOf, someErrors, someKills, tryAll, whyNoFaults } from '../support/faulty-files.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { complaints, FaultyAgents, tornSentinel } from './faulty-agents.ts';

describe('an agent whose writes fail', { skip: (await whyNoFaults()) ?? false }, () => {
  let broker: NatsServer;
  let cluster: Cluster;
  let agents: FaultyAgents;
  /** All steps of an agent's life. */
  let life: string[];

  before(async () => {
    broker = await startNatsServer();
    cluster = await Cluster.create({ servers: broker.url });
    agents = await FaultyAgents.of(cluster);
    await cluster.requester();
    life = await stepsOf('model');
    for (const name of ['identity.nk', 'node.yaml', 'registration.json', 'inventory.json'])
      assert.ok(life.includes(`rename ${name} 1`), `${name} is written: ${life}`);
  });

  after(async () => {
    await agents?.release();
    await cluster?.release();
    await broker?.release();
  });

  /**
   * Returns the steps of an agent without faults. The mark for each GPU scan is written again and again; only the first
   * counts.
   */
  async function stepsOf(name: string): Promise<string[]> {
    const agent = await agents.start(name);
    await agents.live(name, agent);
    assert.equal((await agent.finished).code, 0, agent.stderr);
    const steps = await agents.steps(name);
    return steps.filter(step => !/ nvml-called (?!1$)/.test(step));
  }

  it('starts again as the same node after it was killed while it wrote any file', async () => {
    await tryAll('killed', someKills(life), async (name, faults) => {
      const agent = await agents.start(name, faults);
      await agents.live(name, agent);
      assert.equal((await agent.finished).signal, 'SIGKILL', 'it reaches that step');
      await agents.startAgain(name, agent);
    });
  });

  /**
   * Makes the worst state that a killed agent can leave: the socket of a dead process, half a sentinel, half of another
   * file.
   */
  async function leaveWreck(name: string): Promise<void> {
    const folder = agents.stateOf(name);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'identity.nk'), encodeSeed(randomBytes(32)), { mode: 0o600 });
    await writeFile(join(folder, 'node.yaml'), `id: ${name}\n`);
    await writeFile(join(folder, `${name}.registration.json`), tornSentinel);
    await writeFile(join(folder, `${name}.registration.json.bad`), 'an earlier one');
    await writeFile(join(folder, '.node.yaml.0123456789ab.tmp'), 'id');
    await symlink('.dead-1.sock', join(folder, 'control.sock'));
    await writeFile(join(folder, '.dead-1.sock'), '');
  }

  it('starts again after it was killed while it cleaned up after an earlier kill', async () => {
    await leaveWreck('wreck');
    const steps = (await stepsOf('wreck')).filter(step => !life.includes(step));
    for (const step of ['rename control.sock 1', 'rename registration.json.bad 1', 'unlink node.yaml 1'])
      assert.ok(steps.includes(step), `${step}: ${steps}`);
    await tryAll('cleared', someKills(steps), async (name, faults) => {
      await leaveWreck(name);
      const agent = await agents.start(name, faults);
      await agents.live(name, agent);
      assert.equal((await agent.finished).signal, 'SIGKILL', 'it reaches that step');
      await agents.startAgain(name, agent);
    });
  });

  it('prints a sentence and exits with 1 after an error in any file at its start, and starts again', async () => {
    const first = life.slice(0, life.indexOf('create registration.json 1'));
    await tryAll('refused', someErrors(first), async (name, fault) => {
      const agent = await agents.start(name, fault);
      await agents.live(name, agent);
      const { code, stdout, stderr } = await agent.finished;
      assert.equal(stdout, '');
      if (code !== 0) {
        assert.match(stderr, sentenceOf(fault[0]), stderr);
        assert.equal(code, 1);
      }
      await agents.startAgain(name, agent);
    });
  });

  it('keeps running after an error at any later step, and writes the file later', async () => {
    // The sentinel is written again with each answer, so its faults come one after the other.
    const sentinel = ['create', 'write', 'sync', 'rename'].flatMap(what =>
      errors.map((how, index) => ({ step: `${what} registration.json ${index + 1}`, how })),
    );
    // Other steps that do not depend on each other can fail in one life.
    const later = life.slice(life.indexOf('create registration.json 1'));
    const rest = later.filter(step => !step.includes('registration.json') || step.startsWith('unlink'));
    const groups = [...Map.groupBy(rest, step => step.split(' ')[0]).values()];
    const others = groups.flatMap(steps => errors.map(how => steps.map(step => ({ step, how }))));
    await tryAll('went-on', [sentinel, ...others], async (name, fault) => {
      const agent = await agents.start(name, fault);
      await agents.live(name, agent);
      const { code, stderr } = await agent.finished;
      assert.equal(code, 0, stderr);
      const steps = await agents.steps(name);
      for (const { step } of fault) assert.ok(steps.includes(step), `it reaches ${step}`);
      for (const line of complaints(agent))
        assert.match(line, /"level":"warn".*cannot write .*(no space left|input\/output error)/, line);
      await agents.startAgain(name, agent);
    });
  });
});
