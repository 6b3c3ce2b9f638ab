// Proves with a trace of system calls that an agent in steady state starts no process.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loadProbe } from '../../agent/host/native/native-probe.ts';
import { defaultHeartbeatTopic, heartbeatSubject, managementSubject } from '../../agent/protocol/subjects.ts';
import type { Connection } from '../../agent/transport/port.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { openConnection } from '../support/open-connection.ts';
import { ProcessTrace, whyNoTrace } from '../support/process-trace.ts';
import type { RunOptions } from '../support/program.ts';
import { programWithoutProbe } from '../support/program-copy.ts';
import type { Values } from '../support/settings-text.ts';
import { newFolder } from '../support/temporary.ts';

/** Number of times that each report is sent, and that GPUs are read, during the trace. */
const turns = 12;
const often = {
  'compute.heartbeatFrequency': '100ms',
  'compute.resourceUpdateFrequency': '100ms',
  'compute.infoUpdateFrequency': '100ms',
};

const untraceable = await whyNoTrace();
const loaded = loadProbe();

describe('an agent in steady state starts no process', () => {
  let broker: NatsServer;
  let cluster: Cluster;
  let listener: Connection;

  before(async () => {
    broker = await startNatsServer();
    cluster = await Cluster.create({ servers: broker.url });
    await cluster.requester();
    listener = await openConnection(broker.url);
  });

  after(async () => {
    await listener.close(0);
    await cluster.release();
    await broker.release();
  });

  /** Counts the messages of each kind that the node sends from now on. */
  function reportsOf(id: string): () => number[] {
    const counts = [
      heartbeatSubject(defaultHeartbeatTopic, id),
      managementSubject(id, 'UpdateNodeInfo/v1'),
      managementSubject(id, 'UpdateResources/v1'),
    ].map(subject => {
      let count = 0;
      listener.subscribe(subject, () => count++);
      return () => count;
    });
    return () => counts.map(count => count());
  }

  /** Lets an approved agent report under a trace. `reads` returns how often it has read its GPUs. */
  async function watch(id: string, settings: Values, options: RunOptions, reads?: () => Promise<number>) {
    const trace = new ProcessTrace(join(await newFolder(), 'trace'));
    const agent = await cluster.agent(
      id,
      { ...often, ...settings },
      { ...options, launcher: trace.launcher },
    );
    assert.equal((await cluster.command('node', 'approve', id)).stdout, 'Ok\n');
    await agent.untilPrinted(/"msg":"approved"/);
    const inventory = join(cluster.folderOf(id), 'agent', 'inventory.json');
    await eventually('the inventory is taken', () => readFile(inventory).then(Boolean, () => false));
    const first = await trace.started();
    assert.ok(
      first.some(line => line.includes('inventory-child')),
      `the trace shows how the inventory is taken:\n${first.join('\n')}`,
    );
    const reports = reportsOf(id);
    await eventually('every report is sent', () => reports().every(count => count >= turns));
    if (reads) {
      const before = await reads();
      await eventually('the GPUs are read again', async () => (await reads()) >= before + turns);
    }
    assert.ok(agent.running);
    assert.deepEqual(await trace.started(), []);
    const { code, signal } = await agent.stop();
    assert.deepEqual([code, signal], [0, null]);
    assert.deepEqual(await trace.started(), [], 'nor does stopping');
  }

  it('with the native probe, and with GPUs that every sample reads', async t => {
    if (untraceable) return t.skip(untraceable);
    if (!loaded.probe) return t.skip(`the native probe ${loaded.reason}`);
    const { fakeNvml } = await import('../native/fake-nvml.ts');
    const calls = join(await newFolder(), 'calls');
    await watch(
      'with-probe',
      { 'node.nvmlLibrary': fakeNvml },
      { env: { FAKE_NVML: `gpus=2 trace=${calls}` } },
      async () => (await readFile(calls, 'latin1')).split('nvmlDeviceGetUtilizationRates').length / 2,
    );
  });

  it('without the native probe', async t => {
    if (untraceable) return t.skip(untraceable);
    const { main, release } = await programWithoutProbe();
    try {
      await watch('without-probe', {}, { main });
    } finally {
      await release();
    }
  });
});
