// What somebody gains who holds a thing that is not his: an account on a node, the key of a rejected node, the broker's disk.
// SECURITY.md names the test of each holder.
import assert from 'node:assert/strict';
import { chmod, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readJoinCode } from '../../agent/protocol/join-code.ts';
import { Cluster, patient } from '../support/cluster.ts';
import { needsRoot, otherUser, runAsOther } from '../support/other-user.ts';
import { muster, type Program } from '../support/program.ts';
import { newKey, RawClient } from '../support/raw-client.ts';
import { infoOf, RawNode } from '../support/raw-node.ts';

describe('who holds what is not his', () => {
  let cluster: Cluster;
  let agent: Program;
  const clients: RawClient[] = [];

  before(async () => {
    cluster = await Cluster.create({ settings: patient });
    await cluster.requester();
    agent = await cluster.agent('node-1');
  });
  after(async () => {
    for (const client of clients) client.close();
    await cluster?.release();
  });

  const tokenOfCode = async (): Promise<string> => {
    const reading = readJoinCode(await cluster.joinCode());
    assert.ok(reading.kind === 'valid');
    return reading.code.token;
  };

  it(
    'a local user of a node reads neither its key nor its join code, and asks its agent nothing',
    needsRoot,
    async () => {
      await chmod(cluster.folder, 0o755);
      const folder = cluster.folderOf('node-1');
      const files = await readdir(join(folder, 'agent'));
      assert.ok(files.includes('identity.nk') && files.includes('cluster.json'), files.join());
      for (const file of files)
        assert.match(await runAsOther('cat', join(folder, 'agent', file)), /^refused/, file);
      assert.match(await runAsOther('cat', `/proc/${agent.pid}/environ`), /^refused/);
      assert.ok(!(await runAsOther('ps', '-eo', 'args')).includes(await tokenOfCode()));
      const asOther = { uid: otherUser, gid: otherUser, env: { HOME: '/nonexistent' } };
      for (const args of [['status'], ['agent', 'register'], ['agent', 'rotate-key']]) {
        const { code, stdout } = await muster([...args, '--data-dir', folder], asOther);
        assert.deepEqual([code, stdout], [77, ''], args.join(' '));
      }
      await cluster.until('node-1', 'PENDING HEALTHY');
    },
  );

  it('the key of a rejected node changes nothing of its record, and comes to nothing by asking again', async () => {
    const key = newKey();
    const login = { key, name: 'node-2 instance=of-node-2' };
    const first = await RawClient.open(cluster.brokerPort, { ...login, token: await tokenOfCode() });
    clients.push(first);
    assert.deepEqual(await first.complaints(), []);
    first.close();
    const node = await RawNode.open(cluster.brokerPort, 'node-2', key);
    clients.push(node.client);
    await cluster.decide('node-2', 'reject');
    const before = await cluster.node('node-2');
    for (const method of ['RegisterNode/v1', 'UpdateNodeInfo/v1'])
      assert.match(
        await node.ask(method, infoOf('node-2', 'changed')),
        /rejected|handshake required/,
        method,
      );
    assert.match(
      await node.ask(
        'UpdateResources/v1',
        JSON.stringify({ NodeID: 'node-2', AvailableCapacity: { CPU: 99 } }),
      ),
      /rejected|handshake required/,
    );
    const now = await cluster.node('node-2');
    assert.deepEqual(
      [now?.Membership, now?.Info, now?.Muster.Decision],
      ['REJECTED', before?.Info, before?.Muster.Decision],
    );
  });

  it("the broker's disk holds no token, no join code and no private key, and nobody else may read it", async () => {
    const operator = await cluster.command('operator', 'create', 'ada');
    const listener = await cluster.command('listener', 'create', 'grafana');
    assert.deepEqual([operator.code, listener.code], [0, 0], operator.stderr + listener.stderr);
    const requester = join(cluster.folderOf('node-0'), 'requester');
    const agentKey = join(cluster.folderOf('node-1'), 'agent', 'identity.nk');
    const secrets = [
      await cluster.operatorToken(),
      operator.stdout.trim(),
      ...(listener.stdout.match(/mls_[\w-]+/g) ?? []),
      await tokenOfCode(),
      ...(await Promise.all(
        [join(requester, 'requester.nk'), join(requester, 'issuer.nk'), agentKey].map(file =>
          readFile(file, 'utf8'),
        ),
      )),
    ].map(secret => secret.trim());
    assert.equal(secrets.length, 7);
    const disk = join(cluster.folderOf('node-0'), 'broker');
    assert.equal((await stat(disk)).mode & 0o077, 0);
    let store = 0;
    for (const entry of await readdir(disk, { withFileTypes: true, recursive: true })) {
      if (!entry.isFile()) continue;
      const bytes = await readFile(join(entry.parentPath, entry.name));
      if (bytes.includes('code.') && bytes.includes('operator.ada')) store++;
      for (const secret of secrets) assert.ok(!bytes.includes(secret), `${entry.name} has a secret`);
    }
    // What is searched is the store: the records of the code and of the operator are in it.
    assert.ok(store > 0);
  });
});
