// `muster config`: the settings as they stand, and everything that is wrong with them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { configFile, muster } from './program.ts';

test('show: every setting that has a value, as a configuration file would say it', async t => {
  const file = await configFile(t, 'api: { port: 4321 }\nnats: { token: s3cret }\n');
  const args = ['config', 'show', '--config', file, '--node-labels', 'zone=eu', '--log-level=debug'];
  const { code, stdout, stderr } = await muster(t, args, {
    env: { MUSTER_COMPUTE_HEARTBEAT_FREQUENCY: '7s' },
  });
  assert.deepEqual([code, stderr], [0, '']);
  const shown = parse(stdout);
  assert.deepEqual(shown.api, { host: '127.0.0.1', port: 4321 });
  assert.equal(shown.compute.heartbeatFrequency, '7s');
  assert.deepEqual(shown.node.labels, { zone: 'eu' });
  assert.equal(shown.log.level, 'debug');
  assert.equal(shown.nats.token, '<redacted>');
  assert.equal('id' in shown.node, false);
  assert.doesNotMatch(stdout, /s3cret/);
  const json = await muster(t, [...args, '-o', 'json'], {
    env: { MUSTER_COMPUTE_HEARTBEAT_FREQUENCY: '7s' },
  });
  assert.deepEqual(JSON.parse(json.stdout), shown);
});

test('show --origin: where each value comes from, and what is not set', async t => {
  const file = await configFile(t, 'api:\n  port: 4321\n');
  const args = ['config', 'show', '--origin', '--config', file, '--api-host', 'localhost'];
  const yaml = await muster(t, args, { env: { MUSTER_LOG_LEVEL: 'warn' } });
  assert.match(yaml.stdout, / {2}host: localhost # flag --api-host\n/);
  assert.ok(yaml.stdout.includes(`  port: 4321 # file ${file}:2\n`), yaml.stdout);
  assert.match(yaml.stdout, / {2}level: warn # environment MUSTER_LOG_LEVEL\n/);
  assert.match(yaml.stdout, / {2}id: # not set\n/);
  const json = JSON.parse((await muster(t, [...args, '-o', 'json'])).stdout) as { key: string }[];
  assert.deepEqual(
    json.find(({ key }) => key === 'api.host'),
    { key: 'api.host', value: 'localhost', origin: 'flag --api-host' },
  );
});

test('check: Ok, with what is doubtful on standard error', async t => {
  assert.deepEqual(await muster(t, ['config', 'check']), {
    code: 0,
    stdout: 'Ok: no configuration file, so the defaults hold\n',
    stderr: '',
  });
  const file = await configFile(t, 'compute: { heartbeatFrequency: 40s }\n');
  const { code, stdout, stderr } = await muster(t, ['config', 'check', '--config', file]);
  assert.deepEqual([code, stdout], [0, `Ok: ${file}\n`]);
  assert.match(
    stderr,
    /^Warning: .*config\.yaml:1: compute\.heartbeatFrequency: 40s is more than half .*\n$/,
  );
});

test('check: every fault at once, each with its place, its key, what was found and what is allowed; exit 78', async t => {
  const file = await configFile(
    t,
    'compute:\n  heartbeatFrequency: 15\n  heartbeatFrequnecy: 15s\napi:\n  port: 70000\nlog: { level: "\\x1b[2J" }\n',
  );
  const env = { MUSTER_REQUESTER_MAX_PENDING: 'few', MUSTER_FROBNICATE: '1' };
  const args = ['config', 'check', '--config', file, '--broker-port', 'x', '--nats-servers', 'http://x'];
  const { code, stdout, stderr } = await muster(t, args, { env });
  assert.deepEqual([code, stdout], [78, '']);
  assert.deepEqual(
    stderr.trimEnd().split('\n').sort(),
    [
      `Error: ${file}:2: compute.heartbeatFrequency: "15" is not a duration; allowed: like 15s, 1m30s, 500ms`,
      `Error: ${file}:3: compute.heartbeatFrequnecy is not a setting; did you mean compute.heartbeatFrequency?`,
      `Error: ${file}:5: api.port: "70000" is not a port; allowed: 0 to 65535`,
      `Error: ${file}:6: log.level: "\\u001b[2J" is not one of the choices; allowed: trace, debug, info, warn, error, silent`,
      'Error: environment MUSTER_FROBNICATE is not a setting; "muster config show" lists the settings',
      'Error: environment MUSTER_REQUESTER_MAX_PENDING: requester.maxPending: "few" is not a whole number; allowed: 0 to 1000000',
      'Error: flag --broker-port: broker.port: "x" is not a port; allowed: 0 to 65535',
      'Error: flag --nats-servers: nats.servers: "http://x" is not a NATS server; allowed: like nats://host:4222, tls://host:4222, host:4222',
    ].sort(),
  );
});

test('a configuration file that is not there is a fault', async t => {
  const { code, stderr } = await muster(t, ['config', 'check', '-c', '/nonexistent/x.yaml']);
  assert.equal(code, 78);
  assert.equal(
    stderr,
    'Error: /nonexistent/x.yaml: there is no such file; --config takes the path of one that exists\n',
  );
});
