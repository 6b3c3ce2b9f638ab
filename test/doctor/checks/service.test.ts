// Checks the findings about services, for what the service manager says of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { service } from '../../../agent/doctor/checks/service.ts';
import type { ServiceState } from '../../../agent/service/plan.ts';
import { readShow } from '../../../agent/service/systemctl.ts';

const name = 'muster-agent.service';

/** Returns the state that is read from what `systemctl show` prints. */
const shown = (properties: Record<string, string>): ServiceState =>
  readShow(
    Object.entries({
      LoadState: 'loaded',
      UnitFileState: 'enabled',
      ActiveState: 'active',
      SubState: 'running',
      Result: 'success',
      NRestarts: '0',
      NeedDaemonReload: 'no',
      ...properties,
    })
      .map(pair => `${pair.join('=')}\n`)
      .join(''),
  );

async function look(state: ServiceState | undefined) {
  const found = await service(['agent'], async (role, scope) => {
    if (scope === 'user') return undefined;
    return state && { name, scope, role, state, log: `journalctl -u ${name}` };
  }).run();
  return found.map(finding => `${finding.status} ${finding.text}`);
}

test('a running service that starts by itself is ok', async () => {
  assert.deepEqual(await look(shown({})), [`ok ${name} is active (running)`]);
});

test('no installed service and no service manager are ok', async () => {
  const absent = shown({
    LoadState: 'not-found',
    ActiveState: 'inactive',
    SubState: 'dead',
    UnitFileState: '',
  });
  assert.deepEqual(await look(absent), ['ok not installed as a service']);
  assert.deepEqual(await look(readShow('')), ['ok not installed as a service']);
  assert.deepEqual(await look(undefined), ['ok no service manager answers here']);
});

test('a service that failed, or waits for its next restart, is a failure', async () => {
  const ended = { Result: 'exit-code', ExecMainCode: '1', ExecMainStatus: '78' };
  assert.deepEqual(await look(shown({ ActiveState: 'failed', SubState: 'failed', ...ended })), [
    `failed ${name} is failed (failed): exit code 78`,
  ]);
  const waits = { ActiveState: 'activating', SubState: 'auto-restart', NRestarts: '7' };
  const killed = { Result: 'watchdog', ExecMainCode: '3', ExecMainStatus: '6' };
  assert.deepEqual(await look(shown({ ...waits, ...killed })), [
    `failed ${name} is activating (auto-restart): watchdog, signal 6`,
    `warning ${name} was restarted 7 times by the service manager`,
  ]);
});

test('a service that starts, is stopped, was changed, or cannot be loaded has the finding that fits', async () => {
  const starts = { ActiveState: 'activating', SubState: 'start' };
  const waits = { ...starts, StatusText: 'broker unreachable for 40 s' };
  assert.deepEqual(await look(shown(starts)), [`warning ${name} is starting: activating (start)`]);
  assert.deepEqual(await look(shown(waits)), [`warning ${name} is starting: broker unreachable for 40 s`]);
  const stopped = { ActiveState: 'inactive', SubState: 'dead' };
  assert.deepEqual(await look(shown(stopped)), [
    `failed ${name} is inactive (dead), although it should start by itself`,
  ]);
  assert.deepEqual(await look(shown({ ...stopped, UnitFileState: 'disabled' })), [
    `ok ${name} is installed and not enabled; it is inactive (dead)`,
  ]);
  assert.deepEqual(await look(shown({ UnitFileState: 'disabled' })), [
    `warning ${name} is active (running), but does not start by itself`,
  ]);
  assert.match(
    (await look(shown({ NeedDaemonReload: 'yes' })))[1] ?? '',
    /^warning the unit file of .* was changed/,
  );
  assert.deepEqual(await look(shown({ LoadState: 'bad-setting', UnitFileState: '' })), [
    `failed ${name} cannot be loaded: bad-setting`,
  ]);
});
