// Tests `muster doctor` on a real cluster: what it reports in each state of a node, its exit codes, and that it changes
// nothing.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { AgentStatus } from '../../agent/compute/agent-status.ts';
import type { WrittenArchive } from '../../agent/doctor/render.ts';
import type { RequesterStatus } from '../../agent/requester/status/requester-status.ts';
import { Cluster, patient } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { findProgram } from '../support/find-program.ts';
import { listen } from '../support/listener.ts';
import { type Finished, muster, type Program } from '../support/program.ts';
import { readShown } from '../support/read-shown.ts';
import { newFolder } from '../support/temporary.ts';

interface Report {
  status: string;
  roles: string[];
  checks: { check: string; status: string; findings: { status: string; text: string; remedy?: string }[] }[];
}

/** Returns the findings of one check, such as `ok text`. */
const lines = ({ checks }: Report, name: string): string[] =>
  checks
    .filter(({ check }) => check === name)
    .flatMap(({ findings }) => findings.map(({ status, text }) => `${status} ${text}`));

/** Returns every name, mode, time, size and content below `folder`, without sockets. */
async function contentsOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter(entry => entry.isFile() || entry.isDirectory());
  return Promise.all(
    files.map(async entry => {
      const path = join(entry.parentPath, entry.name);
      const { mode, mtimeMs, size } = await stat(path);
      return [path, mode, mtimeMs, size, entry.isFile() ? await readFile(path, 'base64') : ''].join(' ');
    }),
  ).then(all => all.sort());
}

describe('muster doctor', () => {
  let cluster: Cluster;
  let requester: Program;

  before(async () => {
    // By the short intervals of other tests, what a busy machine does late is a fault that the doctor reports.
    const settings = {
      ...patient,
      'compute.infoUpdateFrequency': '5s',
      'compute.resourceUpdateFrequency': '5s',
      'requester.heartbeatFrequency': '5s',
    };
    cluster = await Cluster.create({ settings });
    requester = await cluster.requester();
  });

  after(() => cluster.release());

  const doctor = (role: string, id: string, ...more: string[]): Promise<Finished> =>
    muster(['doctor', '--role', role, '--config', join(cluster.folder, `${id}-${role}.yaml`), ...more]);

  async function report(role: string, id: string): Promise<Report & { code: number | null }> {
    const { code, stdout, stderr } = await doctor(role, id, '-o', 'json');
    assert.equal(stderr, '');
    return { code, ...readShown<Report>(stdout) };
  }

  it('reports no fault of a running requester, also when a flag gave its broker another port than the settings', async () => {
    const { code, stdout, stderr } = await doctor('requester', 'node-0', '--broker-port', '1');
    assert.equal(stderr, '');
    assert.match(stdout, /^muster \S+, requester, data in /);
    assert.match(
      stdout,
      /^ok +broker +nats:\/\/127\.0\.0\.1:\d+: nats-server \S+, accepts our credentials, answers in /m,
    );
    assert.match(
      stdout,
      /^ok +requester +ready, \d+ nodes, \d+ pending approval; node node-0, process \d+$/m,
    );
    assert.match(stdout, /^ok +its API answers at http:\/\/127\.0\.0\.1:\d+$/m);
    assert.match(stdout, /^ok +clock +\S+Z, \d\.\d s from the broker's/m);
    assert.doesNotMatch(stdout, /^failed/m);
    assert.equal(code, 0);
  });

  it('reports whether a node is pending, approved, rejected or deleted, with a remedy', async () => {
    const agent = await cluster.agent('walker');
    const pending = await report('agent', 'walker');
    assert.match(
      lines(pending, 'agent')[0] ?? '',
      /^warning pending approval, fingerprint (\w{4}-?){4}; node walker/,
    );
    assert.deepEqual(lines(pending, 'requester'), ['ok it answers, and lets this node in']);
    assert.deepEqual([pending.code, pending.status], [0, 'warning']);
    await cluster.command('node', 'approve', 'walker');
    await agent.untilPrinted(/"msg":"approved"/);
    const approved = await report('agent', 'walker');
    assert.match(
      lines(approved, 'agent')[0] ?? '',
      /^ok approved by requester node-0, cluster .*; node walker, process \d+$/,
    );
    assert.match(
      lines(approved, 'sentinel')[0] ?? '',
      /^ok node walker, cluster .* of requester node-0, APPROVED, registered /,
    );
    await cluster.command('node', 'reject', 'walker', '-m', 'bad \u001b[2Jactor');
    await agent.untilPrinted(/"msg":"this node was rejected/);
    const rejected = await report('agent', 'walker');
    assert.match(lines(rejected, 'agent')[0] ?? '', /^failed rejected by requester node-0/);
    assert.equal(rejected.code, 1);
    const finding = rejected.checks.find(({ check }) => check === 'agent')?.findings[0];
    assert.match(finding?.remedy ?? '', /muster node approve walker$/);
    await agent.stop();
    assert.deepEqual(lines(await report('agent', 'walker'), 'agent'), ['failed it does not run']);
    const goner = await cluster.agent('goner');
    await cluster.command('node', 'delete', 'goner');
    await goner.untilPrinted(/"msg":"this node was deleted/);
    assert.match(lines(await report('agent', 'goner'), 'agent')[0] ?? '', /^failed deleted/);
    await goner.stop();
  });

  it('tells that an agent serves no figures because another program has their port', async () => {
    const other = await listen(socket => socket.destroy());
    const agent = await cluster.agent('watched', { 'metrics.port': other.port });
    const text = `the agent serves no figures for Prometheus: port ${other.port} on 127.0.0.1 is in use by another program (metrics.port)`;
    assert.equal(lines(await report('agent', 'watched'), 'agent')[1], `failed ${text}`);
    const { code, stdout } = await muster([
      'status',
      '-o',
      'json',
      '--data-dir',
      cluster.folderOf('watched'),
    ]);
    const [{ troubles = [] } = {}] = readShown<AgentStatus[]>(stdout);
    const hint = 'stop that program, or choose another port; then restart the agent';
    assert.deepEqual([code, troubles], [1, [{ code: 'no_metrics', text, hint }]]);
    await agent.stop();
    await other.close();
  });

  it('changes no file, no node and no event, whether the role runs or not', async () => {
    const agent = await cluster.agent('still');
    await cluster.until('still', 'PENDING HEALTHY');
    await eventually('its registration is told', async () =>
      (await cluster.kindsOf('still')).includes('registered'),
    );
    const known = async () => ({
      nodes: (await cluster.nodes()).map(({ Info, Membership }) => `${Info.NodeID} ${Membership}`),
      // What the nodes do may cause such events meanwhile.
      events: (await cluster.events())
        .filter(({ type }) => !/\.(updated|(un)?healthy|unknown|left|condition-\w+)$/.test(type))
        .map(({ id }) => id),
    });
    const before = await known();
    await report('agent', 'still');
    await report('requester', 'node-0');
    assert.deepEqual(await known(), before);
    await agent.stop();
    const files = await contentsOf(cluster.folderOf('still'));
    assert.ok(files.length > 4);
    await report('agent', 'still');
    assert.deepEqual(await contentsOf(cluster.folderOf('still')), files);
  });

  it('reports that the requester does not run, and what a node cannot reach without it', async () => {
    const agent = await cluster.agent('alone');
    const { code } = await requester.stop();
    assert.equal(code, 0);
    const here = await report('requester', 'node-0');
    assert.deepEqual(lines(here, 'requester'), ['failed it does not run']);
    assert.match(lines(here, 'broker')[0] ?? '', /^ok the requester would run \/.*, nats-server 2\./);
    assert.match(lines(here, 'ports')[0] ?? '', /^ok free: /);
    const node = await report('agent', 'alone');
    assert.match(lines(node, 'broker')[0] ?? '', /^failed nothing listens at /);
    assert.match(lines(node, 'requester')[0] ?? '', /^failed it cannot be asked/);
    const squatter = await listen(() => undefined);
    const squatted = await doctor('requester', 'node-0', '--api-port', String(squatter.port));
    await squatter.close();
    assert.match(
      squatted.stdout,
      new RegExp(`^failed +ports +port ${squatter.port} of 127.0.0.1 \\(api.port\\) is in use`, 'm'),
    );
    requester = await cluster.requester();
    await agent.stop();
  });

  it('makes an archive with a list of its files, and facts that muster probe can replay', async t => {
    const tar = await findProgram('tar').catch(() => undefined);
    if (!tar) return t.skip('there is no tar');
    const agent = await cluster.agent('packer');
    const folder = await newFolder();
    const unpacked = async (role: string, id: string, name: string) => {
      const file = join(folder, name);
      const { code, stdout, stderr } = await doctor(role, id, '-o', 'json', '--bundle', file);
      assert.deepEqual([code, stderr], [0, ''], stdout);
      await promisify(execFile)(tar, ['-xf', file, '-C', folder]);
      const { archive, ...report } = readShown<Report & { archive: WrittenArchive }>(stdout);
      const inside = join(folder, 'muster-doctor');
      const read = (each: string) => readFile(join(inside, each), 'utf8');
      assert.deepEqual(
        archive.files.map(({ name }: { name: string }) => name),
        (await readdir(inside)).sort(),
      );
      return { archive, report, read, inside, clear: () => rm(inside, { recursive: true }) };
    };
    const node = await unpacked('agent', 'packer', 'agent.tar.gz');
    assert.deepEqual(readShown(await node.read('doctor.json')), node.report);
    assert.equal(readShown<AgentStatus>(await node.read('agent.json')).node, 'packer');
    const { session, cluster: id } = JSON.parse(await node.read('sentinel.json'));
    assert.equal(session, '<redacted>');
    assert.ok(id);
    assert.match(
      await node.read('settings.yaml'),
      /heartbeatFrequency: 200ms # file .*packer-agent\.yaml:\d+/,
    );
    assert.match(await node.read('files.txt'), /^100600 \d+:\d+ \d+ \S+ .*identity\.nk$/m);
    const replayed = await muster(['probe', '--replay', node.inside]);
    assert.match(replayed.stdout, /^ +hostname +host-1$/m);
    await node.clear();
    const its = await unpacked('requester', 'node-0', 'requester.tar.zst');
    assert.equal(readShown<RequesterStatus>(await its.read('requester.json')).state, 'ready');
    assert.match(await its.read('nats.conf'), /^ {2}MUSTER \{$/m);
    const text = await doctor('requester', 'node-0', '--bundle', join(folder, 'text.tar'));
    assert.match(
      text.stdout,
      /^written to .*text\.tar \(\d+ KiB\), which only its owner can read:\n {2}doctor\.json +\d+ KiB$/m,
    );
    const again = await doctor('requester', 'node-0', '--bundle', join(folder, 'text.tar'));
    assert.deepEqual([again.code, again.stdout], [1, '']);
    assert.match(again.stderr, /^Error: .*text\.tar exists already, and is not overwritten\nHint: /);
    await agent.stop();
  });

  it('reports every fault of a configuration, exits with 78, and makes the checks that need none', async () => {
    const file = join(await newFolder(), 'config.yaml');
    await writeFile(file, 'compute: {heartbeatFrequency: fast}\nnats: {tokn: x}\n');
    const { code, stdout } = await muster(['doctor', '--config', file]);
    assert.equal(code, 78);
    assert.match(
      stdout,
      /^failed +configuration +.*config\.yaml:1: compute\.heartbeatFrequency: "fast" is not a duration/m,
    );
    assert.match(
      stdout,
      /^failed +.*config\.yaml:2: nats\.tokn is not a setting; did you mean nats\.token\?/m,
    );
    assert.match(stdout, /^ok +clock/m);
    assert.doesNotMatch(stdout, /broker/);
  });

  it('works on a machine where nothing is set up yet', async () => {
    const data = join(await newFolder(), 'none');
    const { code, stdout } = await muster([
      'doctor',
      '-o',
      'json',
      '--data-dir',
      data,
      '--nats-servers',
      cluster.servers,
    ]);
    const found = readShown<Report>(stdout);
    assert.equal(code, 1);
    assert.deepEqual(found.roles, ['agent']);
    assert.match(lines(found, 'agent')[0] ?? '', /^warning it was never set up here/);
    assert.match(
      lines(found, 'broker')[0] ?? '',
      /^failed .* did not answer our login within 5 s: its requester does not know us/,
    );
    assert.match(lines(found, 'folders')[0] ?? '', /^ok .* the first start makes it$/);
    await assert.rejects(stat(data), { code: 'ENOENT' });
  });

  it('warns a user who may not read the state', async t => {
    if (process.getuid?.() !== 0) return t.skip('only root can become another user');
    const data = join(cluster.folder, 'closed');
    await mkdir(join(data, 'agent'), { recursive: true });
    await writeFile(join(data, 'agent', 'node.yaml'), 'id: closed\n');
    await chmod(cluster.folder, 0o755);
    await chmod(data, 0o755);
    await chmod(join(data, 'agent'), 0o700);
    const nobody = { uid: 65534, gid: 65534, env: { HOME: '/nonexistent' }, cwd: '/' };
    const { stdout } = await muster(['doctor', '-o', 'json', '--role', 'agent', '--data-dir', data], nobody);
    const found = readShown<Report>(stdout);
    assert.match(lines(found, 'folders').join('\n'), /^warning this user may not use .*closed\/agent$/m);
    assert.match(lines(found, 'identity')[0] ?? '', /^warning this user may not read .*$/);
    assert.match(lines(found, 'agent')[0] ?? '', /not allowed to ask|does not run/);
    const made = await muster(['doctor', '--role', 'agent', '--data-dir', join(data, 'new')], nobody);
    assert.match(made.stdout, /^warning +folders +.*new does not exist yet, and this user cannot make it/m);
  });
});
