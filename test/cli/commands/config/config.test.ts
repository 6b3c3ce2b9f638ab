// `muster config` shows the settings and finds everything that is wrong with them.
import assert from 'node:assert/strict';
import { chmod, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { loadSettings } from '../../../../agent/config/load.ts';
import { sampleConfig } from '../../../../agent/config/sample.ts';
import { configSchema } from '../../../../agent/config/schema.ts';
import { checkSettingFiles } from '../../../../agent/roles/setting-files.ts';
import { makeAuthority } from '../../../support/certificates.ts';
import { asUnprivileged } from '../../../support/unprivileged.ts';
import { configFile, muster, type Outcome, temporaryFolder } from '../../program.ts';

test('show prints every setting that has a value, as a configuration file has it', async t => {
  const file = await configFile(t, 'api: { port: 4321 }\nnats: { token: s3cret }\n');
  const args = ['config', 'show', '--config', file, '--node-labels', 'zone=eu', '--log-level=debug'];
  const { code, stdout, stderr } = await muster(t, args, {
    env: { MUSTER_COMPUTE_HEARTBEAT_FREQUENCY: '7s' },
  });
  assert.deepEqual([code, stderr], [0, '']);
  const shown = parse(stdout);
  // An empty list is a value: a file can say it.
  assert.deepEqual(shown.api, {
    host: '127.0.0.1',
    openReads: true,
    port: 4321,
    servers: [],
    tls: { pin: [] },
  });
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

test('show --origin prints where each value comes from, and the settings without a value', async t => {
  const file = await configFile(t, 'api:\n  port: 4321\n');
  const args = ['config', 'show', '--origin', '--config', file, '--api-host', 'localhost'];
  const yaml = await muster(t, args, { env: { MUSTER_LOG_LEVEL: 'warn' } });
  assert.match(yaml.stdout, / {2}host: localhost # flag --api-host\n/);
  assert.ok(yaml.stdout.includes(`  port: 4321 # file ${file}:2\n`), yaml.stdout);
  assert.match(yaml.stdout, / {2}level: warn # environment MUSTER_LOG_LEVEL\n/);
  assert.match(yaml.stdout, / {2}id: # not set\n/);
  const json = JSON.parse((await muster(t, [...args, '-o', 'json'])).stdout) as { Key: string }[];
  assert.deepEqual(
    json.find(({ Key }) => Key === 'api.host'),
    { Key: 'api.host', Value: 'localhost', Origin: 'flag --api-host' },
  );
  assert.deepEqual(
    json.find(({ Key }) => Key === 'node.id'),
    { Key: 'node.id', Value: null, Origin: 'default' },
  );
});

test('check prints Ok, and warnings on standard error', async t => {
  const none = await muster(t, ['config', 'check'], { env: { CONFIGURATION_DIRECTORY: '/nonexistent' } });
  assert.deepEqual(none, {
    code: 0,
    stdout: 'Ok: no configuration file (looked for /nonexistent/config.yaml, /etc/muster/config.yaml)\n',
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

test('check shows every fault with its place, its key, its value and what is allowed, with exit code 78', async t => {
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

test('a missing configuration file is a fault', async t => {
  const { code, stderr } = await muster(t, ['config', 'check', '-c', '/nonexistent/x.yaml']);
  assert.equal(code, 78);
  assert.equal(stderr, 'Error: /nonexistent/x.yaml: there is no such file\n');
});

test('check and show take the file as an operand or with --config', async t => {
  const file = await configFile(t, 'api: { port: 4321 }\n');
  const checked = await muster(t, ['config', 'check', file]);
  assert.deepEqual(checked, { code: 0, stdout: `Ok: ${file}\n`, stderr: '' });
  assert.equal(parse((await muster(t, ['config', 'show', file])).stdout).api.port, 4321);
  const twice = await muster(t, ['config', 'check', file, '-c', '/other.yaml']);
  assert.equal(twice.code, 64);
  assert.equal(
    twice.stderr,
    `Error: two configuration files were named: ${file}, and /other.yaml with --config\nHint:  name one of them\n`,
  );
  const third = await muster(t, ['config', 'check', file, 'more']);
  assert.deepEqual(third, {
    code: 64,
    stdout: '',
    stderr: 'Error: unexpected argument: more\nHelp:  muster config check --help\n',
  });
});

test('check also shows what a role would refuse when it starts', async t => {
  const same = await configFile(t, 'api:\n  port: 4222\n');
  const { code, stdout, stderr } = await muster(t, ['config', 'check', '--role', 'requester', same]);
  assert.deepEqual([code, stdout], [78, '']);
  const refused =
    'api.port: 4222 is also broker.port, and a requester listens on both; allowed: two different ports, or 0 for a free one';
  assert.equal(stderr, `Error: ${same}:2: ${refused}\n`);
  // The requester refuses it in the same words.
  const requester = await muster(t, ['requester', '--config', same, '--data-dir', '/nonexistent']);
  assert.deepEqual(told(requester), [78, stderr]);
  const agent = await muster(t, ['config', 'check', '--role', 'agent', same]);
  assert.equal(agent.code, 0);
});

test('check allows credentials without a server for an agent only', async t => {
  const folder = await temporaryFolder(t);
  const file = join(folder, 'token');
  await writeFile(file, 's3cret');
  const check = (...args: string[]) => muster(t, ['config', 'check', '--nats-token-file', file, ...args]);
  const text =
    'flag --nats-token-file: nats.tokenFile: set without nats.servers: a requester refuses that, because its own broker knows it by its key\n';
  assert.deepEqual(await check('--role', 'agent').then(told), [0, '']);
  assert.deepEqual(await check().then(told), [0, `Warning: ${text}`]);
  assert.deepEqual(await check('--role', 'requester').then(told), [78, `Error: ${text}`]);
  assert.deepEqual(await check('--role', 'requester', '--nats-servers', 'h').then(told), [0, '']);
  const requester = await muster(t, ['requester', '--nats-token-file', file, '--data-dir', folder]);
  assert.deepEqual(told(requester), [78, `Error: ${text}`]);
});

test('check warns of files that are missing, unreadable or of another kind', async t => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, 'empty'), '');
  await writeFile(join(folder, 'blank'), ' \n');
  await writeFile(join(folder, 'text'), 'this is s3cret');
  const { certFile, keyFile } = await makeAuthority(folder, 'ca');
  const cases: [text: string, warnings: string[]][] = [
    [
      'nats:\n  tokenFile: none\n  tls:\n    caFile: .\n    certFile: empty\n    keyFile: text/x\n',
      [
        `2: nats.tokenFile: ${folder}/none is not there`,
        `4: nats.tls.caFile: ${folder} is not a file`,
        `5: nats.tls.certFile: ${folder}/empty is empty`,
        `6: nats.tls.keyFile: ${folder}/text/x is not there`,
      ],
    ],
    // The log creates its file.
    ['log:\n  file: new.log\n', []],
    ['log:\n  file: text\n', []],
    ['log:\n  file: .\n', [`2: log.file: ${folder} is not a file`]],
    [
      'log:\n  file: none/new.log\n',
      [`2: log.file: ${folder}/none/new.log is in a folder that is not there`],
    ],
    // While nothing runs, the file of a scheduler is not there.
    ['compute:\n  busyFile: /run/scheduler/busy\n', []],
    [
      'compute:\n  busyFile: /var/tmp/busy\n',
      [
        '2: compute.busyFile: /var/tmp/busy is hidden from an agent that runs as a service, which has a /var/tmp of its own: nobody could tell whether this machine is busy; keep the file elsewhere, such as in /run',
      ],
    ],
    ['nats:\n  tokenFile: blank\n', [`2: nats.tokenFile: ${folder}/blank is empty`]],
    ['nats:\n  credsFile: text\n', [`2: nats.credsFile: ${folder}/text is not a NATS credentials file`]],
    [
      'nats:\n  tls:\n    caFile: text\n    certFile: text\n    keyFile: text\n',
      [
        `3: nats.tls.caFile: ${folder}/text is not a PEM file with a certificate`,
        `4, FILE:5: nats.tls.certFile: ${folder}/text is not a PEM file with a certificate`,
      ],
    ],
    [`nats:\n  tls:\n    certFile: ${certFile}\n    keyFile: ${keyFile}\n`, []],
    [
      'broker:\n  tls:\n    certFile: text\n    keyFile: text\n',
      [`3, FILE:4: broker.tls.certFile: ${folder}/text is not a PEM file with a certificate`],
    ],
    ['broker:\n  binary: text\n', [`2: broker.binary: ${folder}/text may not be run by this user`]],
  ];
  for (const [text, warnings] of cases) {
    const file = join(folder, 'config.yaml');
    await writeFile(file, text);
    const { code, stdout, stderr } = await muster(t, ['config', 'check', '--role', 'agent', file]);
    assert.deepEqual([code, stdout], [0, `Ok: ${file}\n`]);
    const lines = stderr.replaceAll(file, 'FILE').split('\n').slice(0, -1);
    assert.deepEqual(
      lines,
      warnings.map(warning => `Warning: FILE:${warning}`),
    );
  }
});

test('check warns of a busy file that can never be there', async t => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, 'empty'), '');
  await symlink(join(folder, 'none'), join(folder, 'nowhere'));
  const configFile = join(folder, 'config.yaml');
  for (const [file, fault] of [
    ['gone/busy', `${folder}/gone/busy is in a folder that is not there`],
    ['empty/busy', `${folder}/empty/busy is in a folder that is not there`],
    ['nowhere', `${folder}/nowhere is not there`],
    ['.', `${folder} is not a file`],
  ] as const) {
    await writeFile(configFile, `compute: { busyFile: ${file} }`);
    const problems = await checkSettingFiles(await loadSettings({ configFile }));
    assert.deepEqual(problems, [`${configFile}:1: compute.busyFile: ${fault}`]);
  }
});

test('check warns of a file that this user may not read', async t => {
  const folder = await temporaryFolder(t);
  await chmod(folder, 0o755);
  const token = join(folder, 'token');
  await writeFile(token, 's3cret', { mode: 0o000 });
  const configFile = join(folder, 'config.yaml');
  await writeFile(configFile, `nats: { tokenFile: token }`);
  const loaded = await loadSettings({ configFile });
  assert.deepEqual(await asUnprivileged(() => checkSettingFiles(loaded)), [
    `${configFile}:1: nats.tokenFile: ${token} may not be read by this user`,
  ]);
});

test('sample prints a configuration file that names the given schema', async t => {
  const { code, stdout, stderr } = await muster(t, [
    'config',
    'sample',
    '--role',
    'agent',
    '--schema',
    './s.json',
  ]);
  assert.deepEqual([code, stderr], [0, '']);
  assert.equal(stdout, sampleConfig('agent', './s.json'));
  const wrong = await muster(t, ['config', 'sample', '--schema', 'a b']);
  assert.equal(wrong.code, 64);
});

test('schema prints the schema of the table of settings', async t => {
  const { code, stdout, stderr } = await muster(t, ['config', 'schema']);
  assert.deepEqual([code, stderr], [0, '']);
  assert.deepEqual(JSON.parse(stdout), configSchema());
});

function told({ code, stderr }: Outcome): unknown[] {
  return [code, stderr];
}
