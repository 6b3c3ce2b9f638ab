// Tests `muster service status` with a systemctl that gives the answers that a test chooses.
import assert from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { test } from 'node:test';
import type { ServiceReport } from '../../../../agent/cli/commands/service/service-report.ts';
import { showService } from '../../../../agent/cli/commands/service/status.ts';
import { loadSettings } from '../../../../agent/config/load.ts';
import { servicePathsOf } from '../../../../agent/service/service-paths.ts';
import type { ServiceTarget } from '../../../../agent/service/target.ts';
import { holdFolder } from '../../../../agent/system/role-socket.ts';
import { surroundings } from '../../../config/surroundings.ts';
import { readShown } from '../../../support/read-shown.ts';
import { bareMachine, units, usedBy } from './bare-machine.ts';

test('status shows file, state, status text and last end of the role, without control characters', async () => {
  const { install, status, fake, output } = await bareMachine();
  await install('agent');
  await fake.shows(
    'muster-agent.service',
    'StatusText=\u001b[2J\u202eapproved\nNRestarts=2\nResult=watchdog\n',
  );
  assert.equal(await status('text', ['agent']), 0);
  assert.match(
    output.printed,
    /^muster-agent\.service\n {2}installed {2}\/etc\/systemd\/system\/muster-agent\.service\n {2}starts {5}at boot\n {2}state {6}running since 2026-11-24 18:01:10 UTC \(\d+ \w+ ago\); systemd: active \(running\)\n {2}process {4}4242\n {2}says {7}\\u001b\[2J\\u202eapproved\n {2}last end {3}watchdog\n {2}restarts {3}2\n$/,
  );
  assert.equal(await status('json', ['agent']), 0);
  assert.match(output.printed, /^[\x20-\x7e\n]*$/);
  assert.deepEqual(Object.keys(JSON.parse(output.printed)[0]).slice(0, 3), ['Role', 'Name', 'Manager']);
  const [report] = readShown<ServiceReport[]>(output.printed);
  assert.deepEqual(
    [
      report?.installed,
      report?.enabled,
      report?.state,
      report?.since,
      report?.pid,
      report?.says,
      report?.restarts,
    ],
    ['yes', true, 'running', '2026-11-24T18:01:10.000Z', 4242, '\u001b[2J\u202eapproved', 2],
  );
});

test('status returns 0 when every installed service runs, else 1', async () => {
  const { install, uninstall, status, fake, output, at } = await bareMachine();
  assert.equal(await status('text'), 1);
  assert.match(
    output.printed,
    /^muster-agent\.service\n {2}installed {2}no\n\nmuster-requester\.service\n {2}installed {2}no\n$/,
  );
  await install('agent');
  assert.equal(await status('json'), 0, 'the other one is not installed, and is not missed');
  await install('requester', { start: false });
  assert.equal(await status('json'), 1);
  await uninstall('requester');
  await fake.shows(
    'muster-agent.service',
    'ActiveState=failed\nSubState=failed\nResult=exit-code\nExecMainCode=1\nExecMainStatus=78\n',
  );
  assert.equal(await status('text', ['agent']), 1);
  assert.match(
    output.printed,
    /state {6}failed.*\n(.*\n)* {2}last end {3}exit code 78 \(bad configuration\); why: journalctl --unit=muster-agent\.service\n/,
  );
  const unit = at(`${units}/muster-agent.service`);
  for (const [text, word] of [
    [`${await readFile(unit, 'utf8')}# mine`, 'changed'],
    ['mine', 'foreign'],
  ] as const) {
    await writeFile(unit, text);
    await status('json', ['agent']);
    assert.equal(readShown<ServiceReport[]>(output.printed)[0]?.installed, word);
  }
  await rm(unit);
  const packaged = '/usr/lib/systemd/system/muster-agent.service';
  await mkdir(dirname(at(packaged)), { recursive: true });
  await writeFile(at(packaged), '');
  await status('json', ['agent']);
  const [report] = readShown<ServiceReport[]>(output.printed);
  assert.deepEqual([report?.installed, report?.file], ['package', packaged]);
});

test('status also shows the status of the role itself', async t => {
  const { install, status, output, at } = await bareMachine();
  await install('requester');
  await usedBy(at(''), 'requester');
  const role = { role: 'requester', node: 'node-0', state: 'ready', pid: 4242, version: '9' };
  const holder = await holdFolder(at('/var/lib/muster/requester'), () => role, String);
  t.after(() => holder.close());
  await status('text', ['requester']);
  assert.match(output.printed, /\n\nrequester node-0\n {2}state +ready\n/);
  await status('json', ['requester']);
  assert.deepEqual(readShown<ServiceReport[]>(output.printed)[0]?.status, role);
});

test('for the service of a user, status finds the state by the configuration of that user', async t => {
  const { machine, at } = await bareMachine();
  const home = { config: '/home/me/.config/muster', data: '/home/me/data', cache: '/home/me/cache' };
  const own: ServiceTarget = {
    ...machine,
    scope: 'user',
    paths: role => servicePathsOf('systemd', 'user', role, home),
  };
  await mkdir(at(home.config), { recursive: true });
  await writeFile(at(`${home.config}/config.yaml`), 'dataDir: elsewhere\n');
  await mkdir(at(`${home.config}/elsewhere/agent`), { recursive: true });
  const role = { role: 'agent', node: 'node-1', state: 'ready', pid: 4242, version: '9' };
  const holder = await holdFolder(at(`${home.config}/elsewhere/agent`), () => role, String);
  t.after(() => holder.close());
  let printed = '';
  const load = (options: object) => loadSettings({ ...options, environment: surroundings() });
  await showService(own, ['agent'], load, 'json', text => {
    printed += text;
  });
  assert.deepEqual(readShown<ServiceReport[]>(printed)[0]?.status, role);
});
