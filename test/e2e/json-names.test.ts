// All JSON of muster has names of one style: that of Bacalhau's API, such as `NodeID`. Every command that prints JSON and every
// route that serves some is asked, in a real cluster.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { commands } from '../../agent/cli/commands.ts';
import type { Command } from '../../agent/cli/line/command.ts';
import { loginMethod } from '../../agent/protocol/http-operators.ts';
import { apiRoutes } from '../../agent/requester/api/routes.ts';
import { inGroups } from '../../agent/system/in-groups.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { type Finished, muster } from '../support/program.ts';

/** Members with names that are data or of others: of labels, of the columns of a list, the values of settings, CloudEvents. */
const maps = ['Labels', 'Widths', 'Value', 'Events'];
const abbreviation = /(?:Api|Ca|Cpu|Gpu|Id|Ip|Mig|Os|Pid|Url|Uuid)s?(?![a-z])/;

/** Returns the members in `value` whose names are not of the style. */
function wrongNames(value: unknown, at = ''): string[] {
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap(each => wrongNames(each, at));
  return Object.entries(value).flatMap(([name, member]) => {
    const path = `${at}.${name}`;
    // Bacalhau itself writes one name in small letters.
    const isRight =
      (/^[A-Z][A-Za-z0-9]*$/.test(name) && !abbreviation.test(name)) ||
      /ComputeNodeInfo\.address$/.test(path);
    return [...(isRight ? [] : [path]), ...(maps.includes(name) ? [] : wrongNames(member, path))];
  });
}

/**
 * What others say the names of: CloudEvents, the discovery of Prometheus, the JSON Schema in how one logs in, and Bacalhau for the
 * configuration of a server. Two of its former routes answer with text. The live roll is no JSON, and its rows have members of their
 * own, because there are many.
 */
const standards = {
  commands: ['events'],
  routes: [
    'orchestrator/events',
    'orchestrator/roll',
    'sd/prometheus',
    'v1/auth',
    `auth/${loginMethod}`,
    'agent/config',
    'v1/livez',
    'v1/id',
  ],
};

describe('the names in JSON', () => {
  let cluster: Cluster;
  /** A command line for each command that prints JSON. */
  let lines: Record<string, string[]>;

  before(async () => {
    // The node that is killed stays UNHEALTHY.
    const settings = { 'broker.host': '0.0.0.0', 'requester.nodeUnknownAfter': '10m' };
    cluster = await Cluster.create({ settings });
    await cluster.requester({ 'requester.unverifiedNodes': true });
    const agent = await cluster.agent('node-1', { 'node.labels': 'of-ours=yes' });
    const silent = await cluster.agent('node-2');
    await cluster.until('node-2', 'PENDING HEALTHY');
    silent.signal('SIGKILL');
    await cluster.until('node-2', 'PENDING UNHEALTHY');
    const config = join(cluster.folder, 'node-1-agent.yaml');
    const { stderr } = await cluster.command('node', 'cordon', 'node-2', '--for', '2h', '-m', 'disk');
    assert.equal(stderr, '');
    let operation: unknown;
    await eventually('the event tells of the cordon', async () => {
      operation = (await cluster.events()).findLast(({ type }) => type.endsWith('cordoned'))?.data.operation;
      return operation !== undefined;
    });
    lines = {
      'broker bacalhau': [],
      'broker ca': [],
      'config show': ['--origin', '--config', config],
      doctor: ['--config', config],
      explain: [String(operation)],
      'join-code create': [],
      'join-code list': [],
      'listener create': ['billing'],
      'listener list': [],
      'node approve': ['node-1', 'nobody'],
      'node bans': [],
      'node cordon': ['nobody'],
      'node delete': ['nobody'],
      'node describe': ['node-2'],
      'node drain': ['nobody'],
      'node explain': ['node-2'],
      'node label': ['nobody', 'a=b'],
      'node list': [],
      'node prune': ['--silent-for', '1s', '--dry-run'],
      'node reject': ['nobody'],
      'node uncordon': ['nobody'],
      'node undelete': ['nobody'],
      'operator list': [],
      probe: [],
      'service status': [],
      status: ['--data-dir', cluster.folderOf('node-1')],
      'store rebuild': [],
      version: [],
    };
    assert.ok(agent.running);
  });

  after(() => cluster.release());

  const run = async (path: string): Promise<Finished> => {
    const words = [...path.split(' '), ...(lines[path] ?? []), '-o', 'json'];
    const { settings = [] } = await load(path);
    const asksApi = Array.isArray(settings) && settings.includes('api.port');
    return asksApi ? cluster.command(...words) : muster(words);
  };

  it('are those of Bacalhau in what every command prints', async () => {
    const paths = [];
    for (const { path, hidden } of commands) {
      if (hidden) continue;
      const { flags = {} } = await load(path);
      if (/\bjson\b/.test(flags.output?.kind?.name ?? '') && !standards.commands.includes(path))
        paths.push(path);
    }
    assert.deepEqual(paths.sort(), Object.keys(lines).sort());
    await inGroups(paths, 4, async path => {
      const { code, stdout, stderr } = await run(path);
      // Its report is asked for elsewhere, of machines that have the service manager.
      if (path === 'service status' && code === 69) return;
      assert.notEqual(stdout, '', `${path}: ${stderr}`);
      assert.deepEqual(wrongNames(JSON.parse(stdout)), [], path);
    });
  });

  it('are those of Bacalhau in what the API serves', async () => {
    const authorization = `Bearer ${await cluster.operatorToken()}`;
    const { routes } = apiRoutes({
      directory: {} as never,
      events: { serve: async () => undefined } as never,
      rolls: undefined as never,
      log: undefined as never,
      isLocal: true,
      isOwnHost: () => true,
      openReads: true,
    });
    const served = routes.filter(({ method, path }) => method === 'GET' && path.startsWith('/api/'));
    assert.ok(served.length > 10);
    for (const { path } of served) {
      if (standards.routes.some(each => path.endsWith(each))) continue;
      const url = `http://127.0.0.1:${cluster.apiPort}${path.replace(/:\w+/, 'node-1')}`;
      for (const accept of ['application/json', 'application/x-ndjson']) {
        const answer = await fetch(url, { headers: { connection: 'close', authorization, accept } });
        for (const line of (await answer.text()).trim().split('\n'))
          assert.deepEqual(wrongNames(JSON.parse(line)), [], `${path} ${line}`);
      }
    }
  });
});

async function load(path: string): Promise<Command> {
  const row = commands.find(each => each.path === path) ?? assert.fail(path);
  return row.load();
}
