// A cluster of three real NATS servers, with TLS between them and for clients, whose configuration is what
// `muster broker config` prints: nodes and requester are on different servers, and servers are killed.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { type ConnectionOptions, connect, type Msg, type NatsConnection, nkeyAuthenticator } from 'nats';
import { encodeHeartbeat } from '../../agent/protocol/heartbeat.ts';
import type { BacalhauAccess } from '../../agent/protocol/http-bacalhau.ts';
import { defaultHeartbeatTopic, heartbeatSubject } from '../../agent/protocol/subjects.ts';
import { keyPairOf } from '../../agent/transport/key-pair.ts';
import { type Certificate, makeAuthority, makeCertificate } from '../support/certificates.ts';
import { Cluster, patient } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/listener.ts';
import { makeListener } from '../support/make-listener.ts';
import { makeNatsServer, type NatsServer } from '../support/nats-server.ts';
import { admitAtEach, killServerOf, printOwnNatsConfig } from '../support/own-nats.ts';
import { muster, type Program } from '../support/program.ts';
import { infoOf } from '../support/raw-node.ts';

describe('a cluster of three NATS servers of your own', () => {
  let servers: NatsServer[] = [];
  let routes: number[] = [];
  let cluster: Cluster;
  let requester: Program;
  let lines: string;
  let chain: string;
  /** The port at which the first server tells which routes it has. */
  let monitor: number;
  let ca: Certificate;
  const settings = () => ({ 'nats.tls.caFile': ca.certFile, 'nats.servers': urlsFrom(0) });
  const urlsFrom = (first: number) => [0, 1, 2].map(index => servers[(first + index) % 3]?.url).join(',');

  before(async () => {
    servers = await Promise.all([0, 1, 2].map(() => makeNatsServer({ scheme: 'tls' })));
    routes = await Promise.all([0, 1, 2].map(() => freePort()));
    monitor = await freePort();
    cluster = await Cluster.create({
      servers: urlsFrom(0),
      asks: true,
      settings: {
        // A node without a key sends one sign of life in its test.
        ...patient,
        'requester.unverifiedNodes': true,
        'broker.approved.publish': 'results.{nodeId}',
        'broker.approved.subscribe': 'work.{nodeId}',
      },
    });
    ca = await makeAuthority(cluster.folder, 'ca');
    const pair = await makeCertificate(cluster.folder, ca, 'nats', 'IP:127.0.0.1,DNS:localhost');
    chain = join(cluster.folder, 'chain.pem');
    await writeFile(chain, (await readFile(pair.certFile, 'utf8')) + (await readFile(ca.certFile, 'utf8')));
    const printed = await printOwnNatsConfig(
      cluster,
      '--requester-unverified-nodes',
      '--routes',
      routes.map(port => `127.0.0.1:${port}`).join(','),
    );
    lines = printed
      .replaceAll('ROUTE-PASSWORD', 'a-password')
      .replace('/etc/nats/route.pem', chain)
      .replace('/etc/nats/route.key', pair.keyFile)
      .replace('/etc/nats/route-ca.pem', ca.certFile)
      .concat(
        `tls { cert_file: "${chain}", key_file: "${pair.keyFile}", handshake_first: "1s", timeout: 10 }\n`,
      );
    await Promise.all(servers.map((_, index) => startServer(index)));
    requester = await cluster.requester(settings());
  });

  after(async () => {
    await cluster?.release();
    await Promise.all(servers.map(server => server.release()));
  });

  const startServer = (index: number, text = lines) =>
    servers[index]?.start(
      `server_name: s${index}\n${index === 0 ? `http: "127.0.0.1:${monitor}"` : ''}\n${withRoutePort(text, routes[index])}`,
    );

  it('lets nodes on any server in by a code with the pin of its CA, and cuts one off wherever it is', async () => {
    assert.equal((await cluster.status()).trust, 'keys');
    await admitAtEach(cluster, servers);
    assert.deepEqual(requester.logged('the connection of a node could not be ended'), []);
  });

  /** Connects a program of other people to one of the servers. */
  const connectTo = async (
    t: TestContext,
    index: number,
    login: ConnectionOptions,
  ): Promise<NatsConnection> => {
    const options = {
      servers: servers[index]?.url ?? '',
      tls: { caFile: ca.certFile, handshakeFirst: true },
      reconnect: false,
    };
    const client = await connect({ ...options, ...login });
    t.after(() => client.close());
    return client;
  };

  it('lets a node without a key in on any server, which speaks for no node with a key', async t => {
    const printed = await cluster.command('broker', 'bacalhau', '-o', 'json');
    assert.equal(printed.code, 0, printed.stderr);
    const { Servers, Token, CA } = JSON.parse(printed.stdout) as BacalhauAccess;
    assert.deepEqual([Servers.join(), CA], [urlsFrom(0), await readFile(ca.certFile, 'utf8')]);
    const bare = await connectTo(t, 2, { token: Token, name: 'n-bare' });
    const register = async (id: string) =>
      (await bare.request(`node.management.${id}.RegisterNode/v1`, infoOf(id), { timeout: 30_000 })).string();
    assert.match(await register('n-bare'), /"Accepted":true/);
    const beat = () =>
      bare.publish(
        heartbeatSubject(defaultHeartbeatTopic, 'n-bare'),
        encodeHeartbeat({ NodeID: 'n-bare', Sequence: 1 }, undefined, new Date()),
      );
    beat();
    await cluster.until('n-bare', 'PENDING HEALTHY');
    await cluster.decide('n-bare', 'approve');
    beat();
    await cluster.until('n-bare', 'APPROVED HEALTHY');
    const { stdout } = await cluster.command('node', 'describe', 'n-bare');
    assert.match(stdout, /fingerprint +unverified/);
    assert.doesNotMatch(await register('node-1'), /"Accepted":true/);
    await cluster.until('node-1', 'APPROVED HEALTHY');
  });

  it('opens subjects for an approved node and its next key, and closes them on every server', async t => {
    const { Token } = await makeListener(cluster, 'scheduler', '--work');
    const scheduler = await connectTo(t, 0, { user: 'work', pass: Token });
    const data = cluster.folderOf('node-2');
    /** Connects a program beside the agent; undefined when it is not let in. */
    const connectWorker = async () => {
      const key = (await readFile(join(data, 'agent', 'identity.nk'), 'utf8')).trim();
      const worker = await connectTo(t, 2, {
        authenticator: nkeyAuthenticator(Buffer.from(key)),
        name: 'node-2 instance=worker intent=work',
      });
      let isRefused = false;
      const callback = (error: Error | null, message: Msg) => {
        if (error) isRefused = true;
        else worker.publish('results.node-2', `done ${message.string()}`);
      };
      worker.subscribe('work.node-2', { callback });
      await worker.flush();
      if (!isRefused) return worker;
      await worker.close();
      return undefined;
    };
    /** Returns the program when it has done some work. */
    const work = async () => {
      // It is refused as long as the agent is not connected.
      let worker: NatsConnection | undefined;
      await eventually('the program is let in', async () => {
        worker = await connectWorker().catch(() => undefined);
        return worker !== undefined;
      });
      const results: string[] = [];
      const subscription = scheduler.subscribe('results.*', {
        callback: (_, message) => results.push(`${message.subject} ${message.string()}`),
      });
      // A subscription takes a moment to reach the other servers, so the first jobs may be lost.
      await eventually('a result comes', () => {
        scheduler.publish('work.node-2', 'job 1');
        return results.includes('results.node-2 done job 1');
      });
      subscription.unsubscribe();
      return worker;
    };
    const first = await work();
    const before = (await cluster.node('node-2'))?.Muster.Fingerprint;
    const rotated = await muster(['agent', 'rotate-key', '--data-dir', data]);
    assert.deepEqual([rotated.code, rotated.stdout], [0, 'Ok\n'], rotated.stderr);
    await eventually('the program with the old key is cut off', () => first?.isClosed() === true);
    await cluster.until('node-2', 'APPROVED HEALTHY');
    assert.notEqual((await cluster.node('node-2'))?.Muster.Fingerprint, before);
    const second = await work();
    await cluster.decide('node-2', 'reject');
    await eventually('the program of the rejected node is cut off', () => second?.isClosed() === true);
    await cluster.until('node-2', 'REJECTED HEALTHY');
    const kinds = async () =>
      (await cluster.kindsOf('node-2')).filter(kind => ['rekeyed', 'rejected', 'conflict'].includes(kind));
    await eventually('both are told', async () => (await kinds()).length >= 2);
    assert.deepEqual(await kinds(), ['rekeyed', 'rejected']);
    assert.deepEqual(requester.logged('the connection of a node could not be ended'), []);
  });

  it('takes in no server that has only the password, or only a certificate of its CA', async t => {
    const stranger = await makeCertificate(
      cluster.folder,
      await makeAuthority(cluster.folder, 'other-ca'),
      'stranger',
      'IP:127.0.0.1',
    );
    const rogues: [string, RegExp][] = [
      [
        lines
          .replaceAll(chain, stranger.certFile)
          .replaceAll(/(key_file: )"[^"]*"/g, `$1"${stranger.keyFile}"`),
        /handshake error|Router connection closed/,
      ],
      [lines.replaceAll('route:a-password@', 'route:guessed@'), /Route Error 'Authorization Violation'/],
    ];
    for (const [text, refusal] of rogues) {
      const rogue = await makeNatsServer({ scheme: 'tls' });
      t.after(() => rogue.release());
      const listen = await freePort();
      const log = join(rogue.folder, 'server.log');
      await rogue.start(`server_name: rogue\nlogfile: "${log}"\n${withRoutePort(text, listen)}`, true);
      await eventually('it is refused', async () =>
        refusal.test(await readFile(log, 'utf8').catch(() => '')),
      );
      const answer = await fetch(`http://127.0.0.1:${monitor}/routez`);
      const members = ((await answer.json()) as { routes: { remote_name: string }[] }).routes;
      assert.deepEqual(new Set(members.map(({ remote_name }) => remote_name)), new Set(['s1', 's2']));
      await rogue.kill();
    }
  });

  it('goes on when the server of the requester is killed, and when the requester moves to another', async () => {
    const index = await killServerOf(cluster, requester, servers);
    // A stream that has one copy comes back with its server.
    await startServer(index);
    await cluster.agent('node-4');
    await cluster.until('node-4', 'PENDING HEALTHY');
    await requester.stop();
    requester = await cluster.requester({
      ...settings(),
      'nats.servers': servers[(index + 1) % 3]?.url ?? '',
    });
    await cluster.until('node-1', 'APPROVED HEALTHY');
    assert.equal((await cluster.status()).trust, 'keys');
    await cluster.decide('node-1', 'reject');
    await cluster.until('node-1', 'REJECTED HEALTHY');
  });

  it('is not served when one of the servers does not take the answers, and that one is named', async () => {
    await requester.stop();
    const other = lines.replace(/issuer: .*/, `issuer: ${keyPairOf(randomBytes(32), 'account').publicKey}`);
    await servers[1]?.stop();
    await startServer(1, other);
    const refusing = await cluster.requester(settings(), { wait: false });
    const { code, stderr } = await refusing.finished;
    assert.equal(code, 78, stderr);
    assert.ok(
      stderr.includes(`the issuer is not the key with which it signs its answers (at ${servers[1]?.url})`),
      stderr,
    );
  });
});

/** Lets a server of the test listen for routes on a port of its own, and not at all addresses. */
const withRoutePort = (text: string, port: number | undefined): string =>
  text.replace(/^ {2}port: \d+$/m, `  listen: "127.0.0.1:${port}"`);
