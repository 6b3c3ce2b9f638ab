// Tests what the API tells Prometheus: the figures, and the nodes by their addresses.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Membership } from '../../../agent/protocol/node-state.ts';
import { FakeDirectory } from '../../support/fake-directory.ts';
import { tokens } from '../../support/fake-operators.ts';
import { computeInfo, record, requesterNode } from '../samples.ts';
import { call, cluster, serve } from './api-fixture.ts';

const sd = '/api/v1/sd/prometheus';

interface Told {
  targets: string[];
  labels: Record<string, string>;
}

function addressed(id: string, IP: string | undefined, labels = {}, membership: Membership = 'APPROVED') {
  const Info = {
    ...computeInfo(id, labels),
    Hostname: `host-${id}`,
    ...(IP ? { Address: { IP, Why: '' } } : {}),
  };
  return { state: record(id, membership, { Info }), health: 'HEALTHY' as const };
}

const fleet = () =>
  new FakeDirectory(requesterNode('node-0'), [
    { state: record('node-0', 'APPROVED', { Info: requesterNode('node-0') }) },
    addressed('a', '10.0.0.7', { zone: 'eu', 'gpu.model': 'H100', 'exporter-port': '9200' }),
    addressed('b', '2001:db8::7', { zone: 'us', 'exporter-port': '70000' }),
    addressed('c', '10.0.0.9', {}, 'PENDING'),
    addressed('d', undefined),
  ]);

describe('the figures', () => {
  test('they are text, with the names of the version that Prometheus asks for', async t => {
    const directory = cluster();
    directory.figures = [{ type: 'gauge', name: 'muster_x', help: 'X.', samples: [{ value: 1 }] }];
    const { status, text, headers } = await call(await serve(t, directory), '/metrics');
    assert.equal(status, 200);
    assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
    assert.match(text, /^muster_x 1$/m);
  });

  test('they and the discovery need a token where reads need one, and take one that only reads', async t => {
    const api = await serve(t, cluster(), { openReads: false });
    for (const path of ['/metrics', `${sd}?port=9100`]) {
      assert.equal((await call(api, path)).status, 401, path);
      assert.equal((await call(api, path, { token: tokens.reader })).status, 200, path);
    }
  });
});

describe('the discovery', () => {
  test('it lists approved compute nodes that have an address, with what is known of them', async t => {
    const { text, headers } = await call(await serve(t, fleet()), `${sd}?port=9100`);
    assert.equal(headers['content-type'], 'application/json');
    const told = JSON.parse(text) as Told[];
    assert.deepEqual(
      told.map(({ targets }) => targets),
      [['10.0.0.7:9100'], ['[2001:db8::7]:9100']],
    );
    assert.deepEqual(told[0]?.labels, {
      __meta_muster_id: 'a',
      __meta_muster_health: 'HEALTHY',
      __meta_muster_schedulable: 'true',
      __meta_muster_hostname: 'host-a',
      __meta_muster_version: '',
      __meta_muster_label_exporter_port: '9200',
      __meta_muster_label_gpu_model: 'H100',
      __meta_muster_label_zone: 'eu',
    });
  });

  test('a node may name its port by a label, and one that names none has the port for all', async t => {
    const api = await serve(t, fleet());
    const targets = async (query: string) =>
      (JSON.parse((await call(api, `${sd}?${query}`)).text) as Told[]).flatMap(each => each.targets);
    assert.deepEqual(await targets('port-label=exporter-port'), ['10.0.0.7:9200']);
    assert.deepEqual(await targets('port-label=exporter-port&port=1'), ['10.0.0.7:9200', '[2001:db8::7]:1']);
    assert.deepEqual(await targets('port=1&labels=zone%3Dus'), ['[2001:db8::7]:1']);
    assert.deepEqual(await targets('port-label=constructor'), []);
  });

  test('a port that is none is refused', async t => {
    const api = await serve(t, fleet());
    for (const query of ['', '?port=', '?port=0', '?port=65536', '?port=9100x', '?port=-1']) {
      const { status, text } = await call(api, `${sd}${query}`);
      assert.equal(status, 400, query);
      assert.match(text, /port is/);
    }
  });

  test('a node with long labels makes no long answer', async t => {
    const many = Object.fromEntries(
      Array.from({ length: 256 }, (_, at) => [`${at}${'k'.repeat(250)}`, 'v'.repeat(1024)]),
    );
    const directory = new FakeDirectory(requesterNode('node-0'), [addressed('a', '10.0.0.7', many)]);
    const [told] = JSON.parse((await call(await serve(t, directory), `${sd}?port=1`)).text) as Told[];
    const labels = Object.entries(told?.labels ?? {});
    assert.equal(labels.length, 69);
    for (const [name, value] of labels) {
      assert.match(name, /^__meta_muster_[a-zA-Z0-9_]+$/);
      assert.ok(value.length <= 256);
    }
  });
});
