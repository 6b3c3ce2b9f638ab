// Tests an agent with NVIDIA GPUs end to end: the real program, the real native probe and a fake library.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { muster } from '../support/program.ts';
import { fakeNvml } from './fake-nvml.ts';

describe('an agent with GPUs', () => {
  let broker: NatsServer;
  let cluster: Cluster;

  before(async () => {
    broker = await startNatsServer();
    cluster = await Cluster.create({ servers: broker.url });
    await cluster.requester();
  });

  after(async () => {
    await cluster.release();
    await broker.release();
  });

  const start = (id: string, words: string, settings = {}) =>
    cluster.agent(id, { 'node.nvmlLibrary': fakeNvml, ...settings }, { env: { FAKE_NVML: words } });
  const gpusOf = async (id: string) => (await cluster.node(id))?.Info.ComputeNodeInfo.MaxCapacity.GPU;

  it('offers them, labels them, and reports how busy each is', async () => {
    await start('gpus', 'gpus=2');
    await eventually('both are offered', async () => (await gpusOf('gpus')) === 2);
    const node = await cluster.node('gpus');
    assert.ok(node?.Info.Labels?.['GPU-0'] && node.Info.Labels['GPU-1-Memory']);
    assert.match(node.Info.Host?.GPUDriver ?? '', /\d/);
    await eventually(
      'their usage',
      async () => (await cluster.node('gpus'))?.Muster.Usage?.GPUs?.length === 2,
    );
    assert.equal(node.Info.Conditions, undefined);
  });

  it('reports declared GPUs that are missing', async () => {
    await start('declared', 'gpus=1', { 'node.declared.gpu': 4 });
    await eventually('the condition', async () =>
      /GpuMissing/.test(JSON.stringify((await cluster.node('declared'))?.Info.Conditions ?? '')),
    );
    const { stdout } = await cluster.command('node', 'list', '-o', 'wide');
    assert.match(stdout, /^declared .*GpuMissing/m);
  });

  it('sends heartbeats and the condition while the driver hangs, and stops in time', async () => {
    const agent = await start('hung', 'gpus=1 hang=nvmlInit_v2 until=/never');
    await cluster.until('hung', 'PENDING HEALTHY');
    const beats = () => cluster.node('hung').then(node => node?.ConnectionState.LastHeartbeat);
    await eventually('the condition', async () =>
      /GpuDriverUnresponsive/.test(JSON.stringify((await cluster.node('hung'))?.Info.Conditions ?? '')),
    );
    const last = await beats();
    await eventually('heartbeats go on', async () => (await beats()) !== last);
    const { code, signal } = await agent.stop();
    assert.deepEqual([code, signal], [0, null]);
  });

  it('does not count a normal stop during a call as a crash', async () => {
    for (const _ of ['once', 'twice']) {
      const agent = await start('stopped', 'gpus=1 hang=nvmlInit_v2 until=/never');
      const isCalled = () => existsSync(join(cluster.folderOf('stopped'), 'agent', 'nvml-called'));
      await eventually('the library is called', async () => isCalled());
      assert.equal((await agent.stop()).code, 0);
      assert.ok(!isCalled());
    }
    const third = await start('stopped', 'gpus=1');
    await eventually('its GPU is offered', async () => (await gpusOf('stopped')) === 1);
    assert.equal(third.logged('the NVIDIA library is not used').length, 0);
  });

  it('no longer calls a library that crashed two processes, and logs it', async () => {
    for (const _ of ['the first might be no fault of the library', 'the second']) {
      const victim = await cluster.agent(
        'crash',
        { 'node.nvmlLibrary': fakeNvml },
        { env: { FAKE_NVML: 'gpus=1 crash=nvmlInit_v2' }, wait: false },
      );
      const { signal } = await victim.finished;
      assert.notEqual(signal, null, 'the library ends the process');
    }
    const third = await start('crash', 'gpus=1 crash=nvmlInit_v2');
    await cluster.until('crash', 'PENDING HEALTHY');
    await third.untilPrinted(/the NVIDIA library is not used/);
    const seen = (await cluster.status()).counters.heartbeats;
    await eventually('it lives on', async () => (await cluster.status()).counters.heartbeats > seen + 5);
    assert.ok(third.running);

    // The commands that read the mark do not call it either.
    for (const command of ['probe', 'doctor']) {
      const args = [command, '--data-dir', cluster.folderOf('crash'), '--node-nvml-library', fakeNvml];
      const env = { FAKE_NVML: 'gpus=1 crash=nvmlInit_v2' };
      const { signal, stdout } = await muster([...args, ...(command === 'probe' ? ['--sources'] : [])], {
        env,
      });
      assert.equal(signal, null, command);
      assert.doesNotMatch(stdout, /SIGABRT/);
      assert.match(
        stdout,
        command === 'probe' ? /^ {2}nvml +failed: it is not called, because /m : /^ok +probe /m,
      );
    }
  });
});
