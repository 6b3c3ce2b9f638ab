// The CA of a running fleet is replaced while a node is away; keys of the requester are made anew; and its disk is lost.
import assert from 'node:assert/strict';
import { randomUUID, X509Certificate } from 'node:crypto';
import { cp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { AgentStatus } from '../../agent/compute/agent-status.ts';
import type { AuthoritiesView } from '../../agent/protocol/http-authorities.ts';
import { readJoinCode } from '../../agent/protocol/join-code.ts';
import { newOperation } from '../../agent/protocol/operation.ts';
import { caPinOf } from '../../agent/transport/ca-pin.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { muster, Program } from '../support/program.ts';
import { readShown } from '../support/read-shown.ts';

describe('the authorities of a cluster', () => {
  let cluster: Cluster;
  let requester: Program;
  let oldCode: string;
  const agents = new Map<string, Program>();
  const data = () => cluster.folderOf('node-0');
  const file = (name: string) => join(data(), 'requester', name);

  before(async () => {
    cluster = await Cluster.create({ settings: { 'broker.host': '0.0.0.0' } });
    requester = await cluster.requester();
    for (const id of ['here', 'away', 'forgotten']) {
      agents.set(id, await cluster.agent(id));
      await cluster.decide(id, 'approve');
    }
    oldCode = await cluster.joinCode();
  });
  after(() => cluster.release());

  const ok = (...args: string[]) => cluster.output(...args);
  const view = async () => JSON.parse(await ok('broker', 'ca', '-o', 'json')) as AuthoritiesView;
  const pinOf = async (use: string) => (await view()).Authorities.find(({ Use }) => Use === use)?.Pin ?? '';
  const pinsOn = async (id: string): Promise<string[]> =>
    JSON.parse(await readFile(join(cluster.folderOf(id), 'agent', 'cluster.json'), 'utf8')).pins;
  const start = async (id: string, wait = true) => void agents.set(id, await cluster.agent(id, {}, { wait }));
  const restart = async () => {
    await requester.stop();
    requester = await cluster.requester();
  };
  const statusOf = async (id: string): Promise<AgentStatus | undefined> => {
    const { stdout } = await muster(['status', '-o', 'json', '--data-dir', cluster.folderOf(id)]);
    return stdout === '' ? undefined : readShown<AgentStatus[]>(stdout)[0];
  };

  it('wait for a node that is away before the next CA is used, and join codes are right before and after', async () => {
    await agents.get('away')?.stop();
    const present = await pinOf('present');
    assert.match(
      await ok('broker', 'rotate-ca'),
      /To use it all the same: muster broker rotate-ca --force\n$/,
    );
    const next = await pinOf('next');
    await eventually('only the node that is away does not trust the next CA', async () => {
      const { MissingNodes } = await view();
      return MissingNodes.join() === 'away';
    });
    assert.deepEqual(await pinsOn('here'), [present, next]);
    assert.match(await ok('broker', 'ca'), /1 approved node does not trust the next CA yet: away\./);
    const reading = readJoinCode(await cluster.newJoinCode());
    assert.deepEqual(reading.kind === 'valid' && reading.code.pins, [present, next]);
    // A program that listens trusts both from the beginning.
    const { CA } = JSON.parse(await ok('listener', 'create', 'billing', '-o', 'json'));
    assert.equal(CA, await ok('broker', 'ca', '-o', 'pem'));
    const certificates = CA.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? [];
    assert.deepEqual(
      certificates.map((pem: string) => caPinOf(new X509Certificate(pem))),
      [present, next],
    );
    assert.deepEqual((await cluster.status()).nextAuthority, { ready: false, missing: 1 });

    await restart();
    assert.equal(await pinOf('present'), present, 'a restart does not use it before every node trusts it');
    // What the nodes have confirmed is known after the restart, also of those that are not back.
    assert.deepEqual((await view()).MissingNodes, ['away']);
    await start('away');
    await requester.untilPrinted(
      /every approved node trusts the next CA; a restart of the requester uses it/,
    );

    await restart();
    const { CA: presentCertificate, ...state } = await view();
    assert.ok(CA.endsWith(presentCertificate), 'the next one alone');
    assert.deepEqual(state, {
      Authorities: [
        { Pin: next, Use: 'present' },
        { Pin: present, Use: 'former' },
      ],
      Ready: false,
      Missing: 0,
      MissingNodes: [],
    });
    for (const id of ['here', 'away', 'forgotten']) await cluster.until(id, 'APPROVED HEALTHY');
    for (const name of await readdir(join(data(), 'requester')))
      assert.doesNotMatch(name, /^next-ca|rotation/);
    // Who was given a code before the change does not trust the new CA, and tells it nothing.
    const late = new Program(['agent', '--data-dir', cluster.folderOf('late'), '--node-id', 'late'], {
      env: { MUSTER_JOIN_CODE: oldCode },
    });
    await late.untilPrinted(/shows no CA that signed its certificate|is known\. Nothing was sent/);
    await late.stop();
  });

  it('are forgotten one by one, and a node that missed that comes back by the pin that its operator types', async () => {
    const [present, former] = [await pinOf('present'), await pinOf('former')];
    const refused = await cluster.command('broker', 'rotate-ca');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /still trust the former CA, .*\nHint: .*broker forget-ca/);
    assert.equal(await ok('broker', 'forget-ca', former), 'Ok\n');
    await eventually('the node trusts one CA', async () => (await pinsOn('here')).join() === present);

    await agents.get('forgotten')?.stop();
    assert.match(await ok('broker', 'rotate-ca', '--force'), /restart the requester to use the next CA\./);
    const next = await pinOf('next');
    const operation = newOperation(new Date(), randomUUID());
    const again = await fetch(`http://127.0.0.1:${cluster.apiPort}/api/v1/orchestrator/authorities`, {
      method: 'POST',
      headers: {
        connection: 'close',
        authorization: `Bearer ${await cluster.operatorToken()}`,
        'muster-operation': operation,
      },
      body: JSON.stringify({ Force: true, Actor: 'a test' }),
    });
    assert.equal(again.status, 200, await again.text());
    assert.match(
      (await ok('explain', operation)).replaceAll(/\s+/g, ' '),
      new RegExp(`stands\\. CA ${next}: made to follow the present one at \\S+ by local\\.`),
    );
    // The others learn of it before they are cut off.
    await eventually('the others trust it', async () => (await view()).MissingNodes.join() === 'forgotten');
    await restart();
    await cluster.until('here', 'APPROVED HEALTHY');
    await cluster.until('away', 'APPROVED HEALTHY');
    await start('forgotten', false);
    await eventually(
      'the node says why',
      async () =>
        (await statusOf('forgotten'))?.troubles?.some(({ text }) => /Nothing was sent/.test(text)) === true,
    );
    const trusted = await muster(['agent', 'trust', next, '--data-dir', cluster.folderOf('forgotten')]);
    assert.deepEqual([trusted.code, trusted.stdout], [0, 'Ok\n'], trusted.stderr);
    await cluster.until('forgotten', 'APPROVED HEALTHY');
    await ok('broker', 'forget-ca', await pinOf('former'));
  });

  it('stay when the requester, its issuer and its certificates get other keys, and no node notices', async () => {
    await requester.stop();
    const names = ['requester.nk', 'issuer.nk', 'server.key', 'server.pem'];
    const before = await Promise.all(names.map(name => readFile(file(name), 'utf8')));
    for (const name of names) await rm(file(name));
    requester = await cluster.requester({ 'api.host': '0.0.0.0' });
    const present = requester.logged(
      'made a certificate for the requester: it had no usable one from this CA',
    );
    assert.equal(present.length, 1);
    const changed = await Promise.all(names.map(name => readFile(file(name), 'utf8')));
    for (const [index, name] of names.entries()) assert.notEqual(changed[index], before[index], name);
    const list = async () =>
      muster(['node', 'list', '-o', 'json', '--api-host', '0.0.0.0', '--api-port', String(cluster.apiPort)], {
        env: { MUSTER_DATA_DIR: data() },
      });
    await eventually('all nodes are healthy', async () => {
      const { stdout, stderr } = await list();
      const nodes = JSON.parse(stdout || '[]') as { Membership: string; Muster: { Health: string } }[];
      const healthy = nodes.filter(
        ({ Membership, Muster }) => `${Membership} ${Muster.Health}` === 'APPROVED HEALTHY',
      );
      assert.equal(stderr, '');
      return healthy.length === 3;
    });
    await requester.stop();
    requester = await cluster.requester();
  });

  it('are lost with the disk: without a backup nobody comes in by himself, and each comes back by a new code', async () => {
    await requester.stop();
    const backup = join(cluster.folder, 'backup');
    await cp(data(), backup, { recursive: true, filter: path => !/\.(sock|tmp)$/.test(path) });
    await rm(data(), { recursive: true });
    requester = await cluster.requester();
    for (const id of ['here', 'away'])
      await eventually(
        `${id} says why`,
        async () =>
          (await statusOf(id))?.troubles?.some(({ text }) => /Nothing was sent/.test(text)) === true,
      );
    assert.deepEqual(
      (await cluster.nodes()).map(({ Info }) => Info.NodeID),
      ['node-0'],
    );
    const code = await cluster.newJoinCode();
    const folder = ['--data-dir', cluster.folderOf('here')];
    const refused = await muster(['agent', 'join', ...folder], { input: `${code}\n` });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /is for cluster .*\nHint: .*agent join --move/);
    const moved = await muster(['agent', 'join', '--move', ...folder], { input: `${code}\n` });
    assert.deepEqual([moved.code, moved.stdout], [0, 'Ok\n'], moved.stderr);
    await cluster.until('here', 'PENDING HEALTHY');
    await agents.get('here')?.stop();

    // With the backup everything is as it was, and who moved to the lost cluster comes back in the same way.
    await requester.stop();
    await rm(data(), { recursive: true });
    await cp(backup, data(), { recursive: true });
    requester = await cluster.requester();
    await eventually('all is well', async () => (await cluster.status()).state === 'ready');
    await cluster.until('away', 'APPROVED HEALTHY');
    await cluster.until('forgotten', 'APPROVED HEALTHY');
  });
});
