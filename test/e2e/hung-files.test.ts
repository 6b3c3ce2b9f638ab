// Two file systems do not answer: the one with the agent's folder, and the kernel's own with the facts about drivers.
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { loadProbe } from '../../agent/host/native/native-probe.ts';
import { type Hanging, hangingFiles } from '../native/hanging-files.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { findProgram } from '../support/find-program.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { muster, type Program } from '../support/program.ts';
import { programWithoutProbe } from '../support/program-copy.ts';
import { newFolder } from '../support/temporary.ts';

/** The folders in which the kernel describes devices, and those with the makers' tools. */
const drivers = ['/sys/bus', '/sys/class', '/proc/driver', '/usr/bin', '/opt'];

const loaded = loadProbe();
const compiler = await findProgram('cc').catch(() => undefined);
const copy = await programWithoutProbe();
after(copy.release);

for (const [kind, main] of [
  ['with the native probe', undefined],
  ['without the native probe', copy.main],
] as const) {
  const cannot =
    process.platform !== 'linux' || !compiler
      ? 'files are made to hang by a preloaded library: that needs Linux and a C compiler'
      : !main && !loaded.probe
        ? `the native probe ${loaded.reason}`
        : undefined;
  /**
   * Returns code and signal of a process that ends with hung threads. Only the native probe can end it with its own code.
   */
  const forced = (code: number) => (main ? [null, 'SIGKILL'] : [code, null]);

  it(`muster probe prints all other facts and ends with 2 when a file hangs, ${kind}`, async t => {
    if (cannot) return t.skip(cannot);
    const args = ['probe', '--sources', '--data-dir', await newFolder()];
    const env = await hangingFiles({ paths: drivers });
    const { code, signal, stdout } = await muster(args, { env, ...(main ? { main } : {}) });
    assert.deepEqual([code, signal], forced(2));
    assert.match(stdout, /^machine\n {2}hostname /);
    assert.match(
      stdout,
      /^without an answer\n(?: {2}.*\n)* {2}PCI was not asked, because \/sys\/\S+ and 1 more hang\n {2}DMI did not answer within 2 s$/m,
    );
    assert.match(stdout, /^sources\n(?:.*\n)*$/m);
  });

  it(`muster probe prints all other facts and ends with 2 when the data folder hangs, ${kind}`, async t => {
    if (cannot) return t.skip(cannot);
    const folder = await newFolder();
    const env = await hangingFiles({ paths: [folder] });
    const args = ['probe', '--data-dir', join(folder, 'data')];
    const { code, signal, stdout } = await muster(args, { env, ...(main ? { main } : {}) });
    assert.deepEqual([code, signal], forced(2));
    assert.match(stdout, /^machine\n {2}hostname /);
    assert.match(stdout, /^without an answer\n(?: {2}.*\n)*? {2}statfs \S.*\n/m);
  });

  describe(`an agent whose files hang, ${kind}`, () => {
    let broker: NatsServer;
    let cluster: Cluster;
    let tokenFile: string;

    before(async () => {
      broker = await startNatsServer({ config: 'authorization { token: "t" }' });
      tokenFile = join(await newFolder(), 'token');
      await writeFile(tokenFile, 't');
      cluster = await Cluster.create({
        servers: broker.url,
        settings: { 'nats.tokenFile': tokenFile },
      });
      await cluster.requester();
    });

    after(async () => {
      await cluster.release();
      await broker.release();
    });

    async function start(t: TestContext, id: string, hanging: Hanging): Promise<Program | undefined> {
      if (process.platform !== 'linux' || !compiler)
        return void t.skip(
          'files are made to hang by a preloaded library: that needs Linux and a C compiler',
        );
      if (!main && !loaded.probe) return void t.skip(`the native probe ${loaded.reason}`);
      const env = await hangingFiles(hanging);
      if (main) return cluster.agent(id, {}, { env, main });
      // Its GPU is read with every sample, and meanwhile there is a mark in the agent's folder.
      const { fakeNvml } = await import('../native/fake-nvml.ts');
      return cluster.agent(id, { 'node.nvmlLibrary': fakeNvml }, { env: { ...env, FAKE_NVML: 'gpus=1' } });
    }

    const lastBeat = async (id: string) => (await cluster.node(id))?.ConnectionState.LastHeartbeat;

    async function keepsSendingHeartbeats(id: string): Promise<void> {
      for (let turn = 0; turn < 5; turn++) {
        const last = await lastBeat(id);
        await eventually('another heartbeat', async () => (await lastBeat(id)) !== last);
      }
    }

    /** Stops the agent, which must take no longer than it may: it would say so. */
    async function stopsInTime(agent: Program): Promise<void> {
      const { code, signal, stderr } = await agent.stop();
      assert.match(stderr, /"msg":"stopped"/);
      assert.doesNotMatch(stderr, /stopping took too long/);
      assert.deepEqual([code, signal], forced(0));
    }

    it('works when its folder does not answer how much room it has', async t => {
      const agent = await start(t, 'room', { sizes: [cluster.folderOf('room')] });
      if (!agent) return;
      await cluster.until('room', 'PENDING HEALTHY');
      await agent.untilPrinted(
        /"msg":"the room in the data folder is unknown; the last known figure is reported"/,
      );
      await keepsSendingHeartbeats('room');
      await stopsInTime(agent);
    });

    it('works when its folder and the files of drivers hang, and when the broker is restarted meanwhile', async t => {
      const release = join(await newFolder(), 'release');
      await writeFile(release, '');
      const agent = await start(t, 'folder', {
        paths: [cluster.folderOf('folder'), ...drivers],
        until: release,
      });
      if (!agent) return;
      await cluster.until('folder', 'PENDING HEALTHY');
      await rm(release);
      await keepsSendingHeartbeats('folder');
      assert.equal((await cluster.command('node', 'approve', 'folder')).stdout, 'Ok\n');
      await cluster.until('folder', 'APPROVED HEALTHY');
      await broker.kill();
      await broker.start();
      await keepsSendingHeartbeats('folder');
      await stopsInTime(agent);
      assert.match(agent.stderr, /does not answer: the last changes were not written/);
    });

    it('writes what it could not write, and knows the room, when its folder answers again', async t => {
      const release = join(await newFolder(), 'release');
      await writeFile(release, '');
      const agent = await start(t, 'again', { paths: [cluster.folderOf('again')], until: release });
      if (!agent) return;
      await cluster.until('again', 'PENDING HEALTHY');
      await rm(release);
      await agent.untilPrinted(
        /"msg":"the room in the data folder is unknown; the last known figure is reported"/,
      );
      assert.equal((await cluster.command('node', 'approve', 'again')).stdout, 'Ok\n');
      await cluster.until('again', 'APPROVED HEALTHY');
      assert.equal((await cluster.sentinel('again'))?.membership, 'PENDING');
      await writeFile(release, '');
      await agent.untilPrinted(/"msg":"the room in the data folder is known again"/);
      await eventually(
        'the sentinel',
        async () => (await cluster.sentinel('again'))?.membership === 'APPROVED',
      );
      const { code, signal } = await agent.stop();
      assert.deepEqual([code, signal], [0, null]);
    });

    it('works when the files of drivers hang from the start', async t => {
      const agent = await start(t, 'drivers', {
        paths: drivers,
      });
      if (!agent) return;
      await cluster.until('drivers', 'PENDING HEALTHY');
      await eventually('the condition', async () =>
        /GpuDriverUnresponsive/.test(JSON.stringify((await cluster.node('drivers'))?.Info.Conditions ?? '')),
      );
      await broker.kill();
      await broker.start();
      await keepsSendingHeartbeats('drivers');
      await stopsInTime(agent);
    });
  });
}
