// A real Prometheus watches a real cluster by the files of scripts/monitoring, and a real Ansible reaches its nodes.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { agentMetrics } from '../../agent/compute/agent-metrics.ts';
import { metricsText } from '../../agent/output/metrics.ts';
import { requesterMetrics } from '../../agent/requester/metrics/requester-metrics.ts';
import { newCounters } from '../../agent/requester/status/counters.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { findProgram } from '../support/find-program.ts';
import { freePort } from '../support/listener.ts';
import { ownMain } from '../support/program.ts';
import { Prometheus, promtool } from '../support/prometheus.ts';

const files = fileURLToPath(new URL('../../scripts/monitoring/', import.meta.url));
const isThere = (name: string) =>
  findProgram(name).then(
    () => false,
    () => `there is no ${name} on PATH`,
  );
const withoutPrometheus = (await isThere('prometheus')) || (await isThere('promtool'));
const withoutAnsible = await isThere('ansible');

/** The names of all figures, also of those that only a cluster of NATS servers has. */
const trouble = { code: 'no_quorum', text: '', hint: '' } as const;
const everyFigure = [
  ...requesterMetrics({
    status: {
      role: 'requester',
      node: 'node-0',
      version: '1',
      pid: 1,
      state: 'ready',
      broker: '',
      trust: 'keys',
      watcher: 'node-0',
      peers: [],
      troubles: [trouble],
      nodes: { total: 1, pending: 0, unreadable: 0, lost: 0 },
      brokerRestarts: { count: 0 },
      eventsWaiting: 0,
      store: [
        { stream: 'KV_node_v1', replicas: 3, leader: 'a', others: [{ server: 'b', current: true, lag: 0 }] },
      ],
      counters: newCounters(),
    },
    counts: {
      nodes: [{ membership: 'APPROVED', health: 'HEALTHY', count: 1 }],
      cordoned: 0,
      conditions: [{ condition: 'GpuMissing', count: 1 }],
    },
    late: 0,
    isConnected: true,
  }),
  ...agentMetrics({
    status: {
      role: 'agent',
      node: 'node-1',
      version: '1',
      pid: 1,
      state: 'approved',
      fingerprint: '',
      broker: '',
      heartbeats: 1,
      lastHeartbeat: '2026-01-01T00:00:00Z',
      lastAcknowledged: '2026-01-01T00:00:00Z',
      conditions: [{ Type: 'GpuMissing', Reason: '', Since: '2026-01-01T00:00:00Z' }],
    },
    isConnected: true,
    lateness: { totalMs: 0, late: 0 },
  }),
];
const known = new Set([...everyFigure.map(({ name }) => name), 'up']);

const namesIn = (query: string): string[] => query.match(/\b(?:muster|process)_[a-z_]+/g) ?? [];

async function dashboardQueries(): Promise<string[]> {
  const { panels } = JSON.parse(await readFile(join(files, 'dashboard.json'), 'utf8')) as {
    panels: { targets: { expr: string }[] }[];
  };
  return panels.flatMap(({ targets }) =>
    targets.map(({ expr }) => expr.replaceAll('$__rate_interval', '10s')),
  );
}

describe('the files for Prometheus', { skip: withoutPrometheus }, () => {
  it('are right, and each alert fires and is quiet when it should', async () => {
    for (const args of [
      ['check', 'config', '--syntax-only', join(files, 'prometheus.yml')],
      ['check', 'rules', join(files, 'alerts.yml')],
      ['test', 'rules', join(files, 'alerts.test.yml')],
    ]) {
      const { code, text } = await promtool(args);
      assert.equal(code, 0, text);
    }
    const alerts = (await readFile(join(files, 'alerts.yml'), 'utf8')).match(/(?<=alert: )\w+/g) ?? [];
    const tests = await readFile(join(files, 'alerts.test.yml'), 'utf8');
    for (const alert of alerts) {
      assert.ok(tests.includes(`name: ${alert} fires`), alert);
      assert.ok(tests.includes(`name: ${alert} is quiet`), alert);
    }
  });

  it('name no figure that there is none of', async () => {
    const alerts = await readFile(join(files, 'alerts.yml'), 'utf8');
    const used = [...(await dashboardQueries()), alerts].flatMap(namesIn);
    assert.deepEqual(
      used.filter(name => !known.has(name)),
      [],
    );
  });
});

describe('a cluster that others watch', () => {
  let cluster: Cluster;
  let ports: number[];
  let token: string;
  const evil = '{{ 7 * 7 }}';

  before(async () => {
    cluster = await Cluster.create({ settings: { 'api.openReads': false } });
    await cluster.requester();
    ports = [await freePort(), await freePort()];
    await Promise.all([
      cluster.agent('a', {
        'metrics.port': ports[0] ?? 0,
        'node.labels': `metrics-port=${ports[0]},evil=${evil}`,
      }),
      cluster.agent('b', { 'metrics.port': ports[1] ?? 0, 'node.labels': `metrics-port=${ports[1]}` }),
      cluster.agent('waiting'),
    ]);
    for (const id of ['a', 'b']) await cluster.decide(id, 'approve');
    token = join(cluster.folder, 'prometheus.token');
    await writeFile(token, await cluster.operatorToken(), { mode: 0o600 });
  });

  after(() => cluster.release());

  describe('Prometheus', { skip: withoutPrometheus }, () => {
    let prometheus: Prometheus;

    before(async () => {
      prometheus = await Prometheus.start(cluster.folder, await exampleFor(cluster, token));
    });

    after(() => prometheus?.stop());

    it('reads the requester by a token, and finds the approved agents by their addresses', async () => {
      const up = async () =>
        (await prometheus.query('up == 1')).map(({ metric: { job, instance, node } }) => ({
          job,
          instance,
          node,
        }));
      // A busy machine may not answer a question in time, so those of one answer are compared.
      let read: Awaited<ReturnType<typeof up>> = [];
      await eventually('all are read', async () => {
        read = await up();
        return read.length === 3;
      });
      assert.deepEqual(
        read.sort((x, y) => String(x.node).localeCompare(String(y.node))),
        [
          { job: 'muster-agent', instance: `127.0.0.1:${ports[0]}`, node: 'a' },
          { job: 'muster-agent', instance: `127.0.0.1:${ports[1]}`, node: 'b' },
          { job: 'muster-requester', instance: `127.0.0.1:${cluster.apiPort}`, node: undefined },
        ],
      );
      const waiting = 'sum(muster_nodes{membership="PENDING"})';
      await eventually('one node waits', async () => (await prometheus.query(waiting))[0]?.value[1] === '1');
    });

    it('carries out each query of the dashboard, and finds what there is', async () => {
      const there = new Set<string>();
      for (const { metric } of await prometheus.query('{__name__=~"muster_.+|process_.+"}'))
        there.add(metric.__name__ ?? '');
      const queries = await dashboardQueries();
      const answered = queries.filter(query => namesIn(query).every(name => there.has(name)));
      assert.ok(answered.length > queries.length / 2, `only ${answered.length} queries find something`);
      for (const query of queries) await prometheus.query(query);
      for (const query of answered)
        await eventually(query, async () => (await prometheus.query(query)).length > 0);
    });

    it('evaluates each alert, and none of them fires', async () => {
      const bad = async () => (await prometheus.rules()).filter(({ health }) => health !== 'ok');
      await eventually('all alerts are evaluated', async () => (await bad()).length === 0);
      // On a busy machine, heartbeats are late in truth.
      const firing = 'ALERTS{alertstate="firing",alertname!="MusterAgentHeartbeatsLate"}';
      assert.deepEqual(await prometheus.query(firing), []);
    });

    it('finds nothing to mend in the names and texts of the figures', async () => {
      const { code, text } = await promtool(['check', 'metrics'], await metricsText(distinct(everyFigure)));
      assert.equal(code, 0, text);
      assert.equal(text, '');
    });
  });

  it('Ansible reaches the approved nodes, and takes nothing that a node says for a template', {
    skip: withoutAnsible,
  }, async () => {
    const inventory = join(cluster.folder, 'inventory');
    const command = `node list -o ansible --api-port ${cluster.apiPort} --api-token-file '${token}'`;
    await writeFile(inventory, `#!/bin/sh\nexec '${process.execPath}' '${ownMain}' ${command}\n`, {
      mode: 0o755,
    });
    const data = "{{ ansible_host }} {{ muster_labels.evil | default('none') }}";
    const { PATH } = process.env;
    const env = { PATH, HOME: cluster.folder, ANSIBLE_NOCOLOR: '1', ANSIBLE_PIPELINING: '1' };
    // Without this, Ansible looks for a Python on each node, which takes longer than all the rest.
    const python = `ansible_python_interpreter=${await findProgram('python3')}`;
    const options = ['-c', 'local', '-o', '-e', python, '-i', inventory];
    const args = [...options, 'approval_approved', '-m', 'ping', '-a', `data="${data}"`];
    const stdout = await new Promise<string>((resolve, reject) =>
      execFile('ansible', args, { env }, (error, out, err) =>
        error ? reject(new Error(`${out}${err}`)) : resolve(out),
      ),
    );
    const said = stdout.trim().split('\n').sort();
    assert.equal(said.length, 2, stdout);
    assert.match(said[0] ?? '', /^a \| SUCCESS => .*"ping": "127\.0\.0\.1 \{\{ 7 \* 7 \}\}"/);
    assert.match(said[1] ?? '', /^b \| SUCCESS => .*"ping": "127\.0\.0\.1 none"/);
  });
});

/** Returns the example of scripts/monitoring for this cluster, which has other addresses and no TLS, with shorter times. */
async function exampleFor(cluster: Cluster, token: string): Promise<unknown> {
  const text = await readFile(join(files, 'prometheus.yml'), 'utf8');
  const example = parse(
    text
      .replaceAll('head-1.example:1234', `127.0.0.1:${cluster.apiPort}`)
      .replaceAll('https', 'http')
      .replaceAll('/etc/prometheus/muster.token', token)
      .replaceAll(/^ +tls_config:\n +ca_file: .*\n/gm, '')
      .replaceAll('interval: 15s', 'interval: 300ms'),
  );
  for (const job of example.scrape_configs)
    for (const discovery of job.http_sd_configs ?? []) discovery.refresh_interval = '1s';
  return { ...example, rule_files: [join(files, 'alerts.yml')] };
}

/** Returns the figures with each name once: some are there for both roles. */
const distinct = <T extends { name: string }>(all: readonly T[]): T[] => [
  ...new Map(all.map(each => [each.name, each])).values(),
];
