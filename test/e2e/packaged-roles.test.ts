// The packaged file is replaced while it runs, meets a full disk, and is no larger than allowed.
import assert from 'node:assert/strict';
import { copyFile, readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Built } from '../../scripts/packaging/build.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { freePort, freePortPair } from '../support/listener.ts';
import { cannotPackage, packaged } from '../support/packaged.ts';
import { muster, Program } from '../support/program.ts';
import { mountSmallDisk } from '../support/small-disk.ts';
import { newFolder } from '../support/temporary.ts';

describe('the packaged file in use', { skip: cannotPackage }, () => {
  let built: Built;
  let cluster: Cluster;

  before(async () => {
    built = await packaged();
    cluster = await Cluster.create();
    await cluster.requester();
  });

  after(() => cluster.release());

  it('can be replaced while it runs: the agent keeps running, and starts again as the same node', async () => {
    const file = join(await newFolder(), 'muster');
    await copyFile(built.file, file);
    const program = [file];
    const agent = await cluster.agent('upgraded', {}, { program });
    assert.equal((await cluster.command('node', 'approve', 'upgraded')).code, 0);
    await cluster.until('upgraded', 'APPROVED HEALTHY');
    const sentinel = await cluster.sentinel('upgraded');
    await copyFile(built.file, `${file}.new`);
    await rename(`${file}.new`, file);
    const lastHeartbeat = async () => (await cluster.node('upgraded'))?.ConnectionState.LastHeartbeat;
    const before = await lastHeartbeat();
    await eventually('another heartbeat', async () => (await lastHeartbeat()) !== before);
    assert.equal((await agent.stop()).code, 0);
    const again = await cluster.agent('upgraded', {}, { program, wait: false });
    await again.untilPrinted(/"msg":"approved"/);
    await cluster.until('upgraded', 'APPROVED HEALTHY');
    assert.equal((await cluster.sentinel('upgraded'))?.session, sentinel?.session);
    const kinds = await cluster.kindsOf('upgraded');
    assert.equal(kinds.filter(kind => kind === 'registered').length, 1, kinds.join());
    assert.equal((await again.stop()).code, 0);
  });

  it('takes the inventory in a child process, and loads the probe that is in it', async () => {
    const agent = await cluster.agent('complete', {}, { program: [built.file] });
    const { Info } = (await cluster.node('complete')) ?? assert.fail('it is not on the roll');
    assert.ok(Info);
    await eventually('the inventory is saved', () =>
      stat(join(cluster.folderOf('complete'), 'agent/inventory.json')).then(
        () => true,
        () => false,
      ),
    );
    assert.deepEqual(agent.logged('the native probe is not there').length, 0);
    const { stderr } = await agent.stop();
    assert.doesNotMatch(stderr, /"level":"(?:warn|error)"/);
  });

  it('runs two requesters beside one broker, and the list goes on at one when the other is killed', async t => {
    const port = await freePortPair();
    const broker = ['--broker-port', String(await freePort()), '--api-port', String(port)];
    const dev = new Program(['dev', '--data-dir', await newFolder(), '--requesters', '2', ...broker], {
      program: [built.file],
    });
    t.after(() => dev.stop());
    await dev.untilPrinted(/Ctrl-C stops everything/);
    process.kill(Number(/node-0 {2}requester is up: .* process (\d+)/.exec(dev.stdout)?.[1]), 'SIGKILL');
    await dev.untilPrinted(/node-0 {2}requester ended \(SIGKILL\): the cluster goes on/);
    const env = { MUSTER_API_SERVERS: `127.0.0.1:${port},127.0.0.1:${port + 1}` };
    const list = () => muster(['node', 'list'], { env, program: [built.file] });
    await eventually('the other one shows the node and that it watches', async () =>
      /^node-1 +Compute +PENDING +HEALTHY[\s\S]*^requester-2 .* watches$/m.test((await list()).stdout),
    );
    assert.equal((await dev.stop()).code, 0);
  });

  it('says that a full disk has no room for the broker, and leaves no incomplete file', async t => {
    const disk = await mountSmallDisk();
    if (!disk) return t.skip('only root can mount a small disk, and not in every container');
    try {
      const ports = ['--api-port', String(await freePort()), '--broker-port', String(await freePort())];
      const args = ['requester', '--data-dir', disk.folder, ...ports];
      const { code, stderr } = await muster(args, { program: [built.file], env: { PATH: '/nonexistent' } });
      assert.equal(code, 1);
      assert.match(
        stderr,
        /^Error: cannot write .*\/broker\/bin\/nats-server: no space left on the device$/m,
      );
      assert.match(stderr, /^Hint: .*dataDir$/m);
      assert.deepEqual(await readdir(join(disk.folder, 'broker/bin')), []);
    } finally {
      await disk.release();
    }
  });

  it('has at most 130 MB, with the pinned broker, which has 6 MB', async t => {
    const unstripped = built.remarks.find(remark => /symbols that could be stripped/.test(remark));
    if (unstripped) return t.skip(unstripped);
    const { size } = await stat(built.parts['nats-server.zst'] ?? '');
    assert.equal((await stat(built.file)).size, built.sizeBytes);
    assert.ok(built.sizeBytes - size <= 124e6, String(built.sizeBytes - size));
  });
});
