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
import { type Finished, muster, Program } from '../support/program.ts';
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

  it('runs two requesters beside one broker, tends a node, and the list goes on at one when the other is killed', async t => {
    const port = await freePortPair();
    const broker = ['--broker-port', String(await freePort()), '--api-port', String(port)];
    const dev = new Program(['dev', '--data-dir', await newFolder(), '--requesters', '2', ...broker], {
      program: [built.file],
    });
    t.after(() => dev.stop());
    await dev.untilPrinted(/Ctrl-C stops everything/);
    const env = { MUSTER_API_SERVERS: `127.0.0.1:${port},127.0.0.1:${port + 1}` };
    const run = (...words: string[]) => muster(['node', ...words], { env, program: [built.file] });
    await tend(run, 'node-1');
    process.kill(Number(/node-0 {2}requester is up: .* process (\d+)/.exec(dev.stdout)?.[1]), 'SIGKILL');
    await dev.untilPrinted(/node-0 {2}requester ended \(SIGKILL\): the cluster goes on/);
    await eventually('the other one shows the node and that it watches', async () =>
      /^node-1 +Compute +PENDING +HEALTHY[\s\S]*^requester-2 .* watches$/m.test((await run('list')).stdout),
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

/** Does to a node what operators do to one, by the packaged commands. Each is loaded only when it is asked for. */
async function tend(run: (...words: string[]) => Promise<Finished>, id: string): Promise<void> {
  const steps: [words: string[], code: number, shown: RegExp][] = [
    [['cordon', id, '-m', 'disk swap', '--for', '2h'], 0, /^Ok\n$/],
    [
      ['drain', id, '--wait', '--deadline', '1s'],
      1,
      /the deadline has passed, and node-1 does not say what it runs/,
    ],
    [['label', id, 'rack=b7'], 0, /^Ok\n$/],
    [['list', '--labels', 'rack=b7'], 0, /^node-1 .* draining late: disk swap$/m],
    [['explain', id], 0, /disk swap[\s\S]*rack/],
    [['uncordon', id], 0, /^Ok\n$/],
    [['prune', '--silent-for', '1d', '--dry-run'], 1, /no node matches the selection/],
    [['delete', id, '-m', 'sold'], 0, /^Ok\n$/],
    [['undelete', id], 0, /^Ok\n$/],
    [['describe', id], 0, /rack +b7/],
  ];
  for (const [words, expected, shown] of steps) {
    const { code, stdout, stderr } = await run(...words);
    assert.equal(code, expected, `${words.join(' ')}: ${stdout}${stderr}`);
    assert.match(stdout + stderr, shown, words.join(' '));
  }
  const isBack = async () => /^node-1 +Compute +PENDING +HEALTHY/m.test((await run('list')).stdout);
  await eventually('its agent is back', isBack);
}
