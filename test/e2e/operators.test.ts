// Operators and their tokens against a real requester: a user without rights, tokens that end while they are used, another
// program on the requester's port, and commands from another machine over TLS.
import assert from 'node:assert/strict';
import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { makeAuthority } from '../support/certificates.ts';
import { Cluster } from '../support/cluster.ts';
import { needsRoot, otherUser, runAsOther } from '../support/other-user.ts';
import { muster, type Program } from '../support/program.ts';

describe('operators', () => {
  let cluster: Cluster;
  let requester: Program;

  before(async () => {
    cluster = await Cluster.create();
    requester = await cluster.requester();
    await cluster.agent('node-1');
  });
  after(() => cluster?.release());

  /** Makes a token by the command, and writes it into a file. */
  const tokenOf = async (name: string, ...flags: string[]): Promise<string> => {
    const { code, stdout, stderr } = await cluster.command('operator', 'create', name, ...flags);
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`^mop_${name}_[A-Za-z0-9_-]{43}\n$`));
    assert.ok(!stderr.includes(stdout.trim()), 'the token is on standard output alone');
    const file = join(cluster.folder, `${name}.token`);
    await writeFile(file, stdout, { mode: 0o600 });
    return file;
  };

  it('lets a command on its machine find the token by itself, and shows who decided', async () => {
    assert.equal((await cluster.command('node', 'approve', 'node-1', '-m', 'ours')).stdout, 'Ok\n');
    const decision = (await cluster.node('node-1'))?.Muster.Decision;
    assert.equal(decision?.Actor, 'local');
    assert.match(decision?.ClaimedActor ?? '', /^\S+@\S+$/);
    const { stdout } = await cluster.command('node', 'describe', 'node-1');
    assert.match(stdout, /local \(\S+@\S+\)/);
    const events = await cluster.command('events', '--node', 'node-1');
    assert.match(events.stdout, /by local \(\S+@\S+\)\n/);
  });

  it('gives a local user without rights neither a change nor a secret', needsRoot, async () => {
    await chmod(cluster.folder, 0o755);
    const nobody = { uid: otherUser, gid: otherUser };
    const folder = cluster.folderOf('node-0');
    const token = await cluster.operatorToken();
    const api = ['--api-port', String(cluster.apiPort)];
    const asNobody = (...args: string[]) => muster(args, { ...nobody, env: { HOME: '/nonexistent' } });
    for (const args of [
      ['node', 'reject', 'node-1'],
      ['operator', 'create', 'eve'],
      ['join-code', 'create'],
      ['operator', 'list'],
    ]) {
      const { code, stdout, stderr } = await asNobody(...args, ...api);
      assert.deepEqual([code, stdout], [77, ''], stderr);
      assert.match(stderr, /needs an operator's token\nHint: .*operator\.token may not be read by this user/);
      assert.ok(!stderr.includes(token));
    }
    // Reading the roll is open on the loopback.
    assert.match((await asNobody('node', 'list', ...api)).stdout, /node-1/);
    for (const file of [
      'requester/operator.token',
      'requester/issuer.nk',
      'requester/control.sock',
      'broker/nats.conf',
    ])
      assert.match(await runAsOther('cat', join(folder, file)), /^refused/, file);
    assert.match(await runAsOther('cat', `/proc/${requester.pid}/environ`), /^refused/);
    const processes = await runAsOther('ps', '-eo', 'args');
    assert.match(processes, /requester/);
    assert.ok(!processes.includes('mop_') && !processes.includes(token));
    assert.equal((await asNobody('status', '--data-dir', folder)).code, 77);
    assert.equal(await cluster.stateOf('node-1').then(state => state?.split(' ')[0]), 'APPROVED');
  });

  it('holds a request to its token: its actor, read-only, revoked while it is used, and expired', async () => {
    const [ada, bob] = [await tokenOf('ada'), await tokenOf('bob', '--read-only', '--expires', '30d')];
    const url = `http://127.0.0.1:${cluster.apiPort}/api/v1/orchestrator/nodes/node-1`;
    const put = async (file: string, Action: string) => {
      const answer = await fetch(url, {
        method: 'PUT',
        headers: { connection: 'close', authorization: `Bearer ${(await readFile(file, 'utf8')).trim()}` },
        body: JSON.stringify({ Action, Actor: 'the boss' }),
      });
      return answer.status;
    };
    assert.equal(await put(ada, 'reject'), 200);
    const { Actor, ClaimedActor } = (await cluster.node('node-1'))?.Muster.Decision ?? {};
    assert.deepEqual([Actor, ClaimedActor], ['ada', 'the boss']);
    assert.equal(await put(bob, 'approve'), 403);
    const byBob = await cluster.command('node', 'approve', 'node-1', '--api-token-file', bob);
    assert.deepEqual([byBob.code, byBob.stdout], [77, '']);
    assert.match(byBob.stderr, /operator bob may only read/);
    const list = await cluster.command('operator', 'list', '--api-token-file', bob);
    assert.match(
      list.stdout,
      /^NAME +ACCESS +EXPIRES +CREATED BY +CREATED\nada +full +never +local .*\nbob +read-only +\S+Z +local /,
    );
    assert.equal((await cluster.command('operator', 'revoke', 'ada')).stdout, 'Ok\n');
    assert.equal(await put(ada, 'approve'), 401);
    const byAda = await cluster.command('node', 'approve', 'node-1', '--api-token-file', ada);
    assert.equal(byAda.code, 77);
    assert.match(
      byAda.stderr,
      /does not know the token of operator ada .*nothing was sent to it\nHint: .*revoked/,
    );
    assert.equal(await cluster.stateOf('node-1').then(state => state?.split(' ')[0]), 'REJECTED');
    assert.ok((await cluster.status()).counters.refusedTokens > 0);
    assert.ok(!requester.stderr.includes('mop_'), 'no token is in the log');
  });

  it('has the same operators after a restart; a lost file is made anew, and its token is void', async () => {
    const old = await cluster.operatorToken();
    await requester.stop();
    await rm(join(cluster.folderOf('node-0'), 'requester', 'operator.token'));
    requester = await cluster.requester();
    const [line] = requester.logged(
      "the operator's token of this machine was made anew; the old one is void",
    );
    assert.equal(line?.why, 'there is no file');
    assert.notEqual(await cluster.operatorToken(), old);
    const { stdout } = await cluster.command('operator', 'list', '-o', 'json');
    assert.deepEqual(
      JSON.parse(stdout).map(({ Name }: { Name: string }) => Name),
      ['bob', 'local'],
    );
  });

  it('shows its token to no other program that has taken the port while the requester is away', async () => {
    await requester.stop();
    const seen: string[] = [];
    const thief = createServer((request, response) => {
      seen.push(`${request.method} ${request.url} ${JSON.stringify(request.headers)}`);
      response.end(JSON.stringify({ Proof: 'A'.repeat(43), Success: true }));
    }).listen(cluster.apiPort, '127.0.0.1');
    try {
      const folder = cluster.folderOf('node-0');
      const { code, stdout, stderr } = await muster(['operator', 'revoke', 'bob'], {
        env: { MUSTER_DATA_DIR: folder, MUSTER_API_PORT: String(cluster.apiPort) },
      });
      assert.deepEqual([code, stdout], [77, ''], stderr);
      assert.ok(
        seen.length > 0 && seen.every(line => line.startsWith('GET ') && !line.includes('mop_')),
        seen.join('\n'),
      );
    } finally {
      thief.closeAllConnections();
      await new Promise(resolve => thief.close(resolve));
    }
  });

  it('is used from elsewhere over TLS, with a token for everything, and by nobody with another authority', async () => {
    requester = await cluster.requester({
      'api.host': '0.0.0.0',
      'broker.advertise': 'head.example,127.0.0.1',
    });
    const folder = cluster.folderOf('node-0');
    const ca = join(folder, 'requester', 'ca.pem');
    const pin = String(requester.logged('made a certificate authority for this cluster')[0]?.pin);
    const token = join(folder, 'requester', 'operator.token');
    // 0.0.0.0 is not the loopback, so the commands use TLS as for another machine. They reach this one by it.
    const remote = (args: string[], env: Record<string, string>) =>
      muster([...args, '--api-host', '0.0.0.0', '--api-port', String(cluster.apiPort)], { env });
    const withPin = await remote(['node', 'approve', 'node-1'], {
      MUSTER_API_TLS_PIN: pin,
      MUSTER_API_TOKEN_FILE: token,
    });
    assert.deepEqual([withPin.code, withPin.stdout], [0, 'Ok\n'], withPin.stderr);
    const withCa = await remote(['node', 'list'], {
      MUSTER_API_TLS_CA_FILE: ca,
      MUSTER_API_TOKEN_FILE: token,
    });
    assert.match(withCa.stdout, /node-1 +Compute +APPROVED/, withCa.stderr);
    const noToken = await remote(['node', 'list'], { MUSTER_API_TLS_CA_FILE: ca });
    assert.equal(noToken.code, 77);
    assert.match(noToken.stderr, /this read needs an operator's token\nHint: .*MUSTER_API_TOKEN_FILE/);
    const { certFile } = await makeAuthority(cluster.folder, 'other-ca');
    const otherCa = await remote(['node', 'list'], {
      MUSTER_API_TLS_CA_FILE: certFile,
      MUSTER_API_TOKEN_FILE: token,
    });
    assert.equal(otherCa.code, 69);
    assert.match(otherCa.stderr, /nothing was sent to https:\S+: its certificate is not signed by a CA/);
    const otherPin = await remote(['node', 'list'], {
      MUSTER_API_TLS_PIN: 'A'.repeat(43),
      MUSTER_API_TOKEN_FILE: token,
    });
    assert.equal(otherPin.code, 69);
    assert.match(otherPin.stderr, new RegExp(`its pin is ${pin}, and A{43} is expected; nothing was sent`));
    // Without TLS nothing is answered.
    await assert.rejects(fetch(`http://127.0.0.1:${cluster.apiPort}/api/v1/agent/alive`));
  });
});
