// What systemd says of the units, in the words of `systemctl show`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { service } from '../../../agent/cli/doctor/service.ts';

const well = {
  LoadState: 'loaded',
  UnitFileState: 'enabled',
  ActiveState: 'active',
  SubState: 'running',
  Result: 'success',
  NRestarts: '0',
  NeedDaemonReload: 'no',
};

async function look(properties: Record<string, string> | undefined, status: number | null = 0) {
  const stdout = Object.entries(properties ?? {})
    .map(pair => `${pair.join('=')}\n`)
    .join('');
  const none = { status: 0, stdout: 'LoadState=not-found\n', stderr: '' };
  const found = await service(['agent'], async (unit, user) => {
    assert.equal(unit, 'muster-agent.service');
    if (user) return none;
    return properties && { status, stdout, stderr: '' };
  }).look();
  return found.map(finding => `${finding.status} ${finding.text}`);
}

test('one that runs and starts with the machine is well', async () => {
  assert.deepEqual(await look(well), ['ok muster-agent.service is active (running)']);
});

test('one that was never installed, and a machine without systemd, are no fault', async () => {
  assert.deepEqual(await look({ LoadState: 'not-found', ActiveState: 'inactive', SubState: 'dead' }), [
    'ok not installed as a service',
  ]);
  for (const nothing of [look(undefined), look({}, 1), look({}, null)]) {
    const [first, ...rest] = await nothing;
    assert.match(first ?? '', /^ok (no systemd runs here|not installed as a service)$/);
    assert.deepEqual(rest, []);
  }
});

test('one that failed, or waits to be started again, has failed', async () => {
  const failed = { ...well, ActiveState: 'failed', SubState: 'failed', Result: 'exit-code' };
  assert.deepEqual(await look(failed), ['failed muster-agent.service is failed (failed), result exit-code']);
  const waits = {
    ...well,
    ActiveState: 'activating',
    SubState: 'auto-restart',
    Result: 'signal',
    NRestarts: '7',
  };
  assert.deepEqual(await look(waits), [
    'failed muster-agent.service is activating (auto-restart), result signal',
    'warning muster-agent.service was started again 7 times by itself',
  ]);
});

test('one that starts, is stopped, or was changed', async () => {
  const starts = { ...well, ActiveState: 'activating', SubState: 'start' };
  assert.deepEqual(await look(starts), ['warning muster-agent.service is starting: activating (start)']);
  const stopped = { ...well, ActiveState: 'inactive', SubState: 'dead' };
  assert.match((await look(stopped))[0] ?? '', /^failed .* though it is to start with the machine$/);
  const unwanted = { ...stopped, UnitFileState: 'disabled' };
  assert.match((await look(unwanted))[0] ?? '', /^ok .* installed and not enabled/);
  assert.match(
    (await look({ ...well, UnitFileState: 'disabled' }))[0] ?? '',
    /^warning .* does not start with the machine$/,
  );
  assert.match(
    (await look({ ...well, NeedDaemonReload: 'yes' }))[1] ?? '',
    /^warning the unit file .* was changed/,
  );
  assert.deepEqual(await look({ ...well, LoadState: 'bad-setting' }), [
    'failed muster-agent.service cannot be loaded: bad-setting',
  ]);
});
