// Reads the output of systemctl, and handles a systemctl that fails, hangs or does not exist.
import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { findSystemProgram, runProgram } from '../../agent/service/manager-program.ts';
import { readShow, Systemctl } from '../../agent/service/systemctl.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { newFolder } from '../support/temporary.ts';
import { FakeSystemctl } from './fake-systemctl.ts';

const unit = 'muster-agent.service';
const here = { user: false, root: undefined };

/** The output of systemd 252 for a running service. */
const running = `MainPID=812
NRestarts=1
ExecMainCode=0
ExecMainStatus=0
Result=success
StatusText=approved, last heartbeat acknowledged 3 s ago
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
InactiveExitTimestamp=Tue 2026-11-24 18:01:08 UTC
ActiveEnterTimestamp=Tue 2026-11-24 18:01:10 UTC
InactiveEnterTimestamp=
NeedDaemonReload=no
`;

test('the state of a running service is read', () => {
  assert.deepEqual(readShow(running), {
    loaded: true,
    enabled: true,
    state: 'running',
    managerState: 'active (running)',
    since: new Date('2026-11-24T18:01:10Z'),
    pid: 812,
    statusText: 'approved, last heartbeat acknowledged 3 s ago',
    ended: undefined,
    restarts: 1,
    unitChanged: false,
  });
});

test('every other state of a service is read', () => {
  const of = (changes: Record<string, string>) =>
    readShow(
      running +
        Object.entries(changes)
          .map(pair => `${pair.join('=')}\n`)
          .join(''),
    );
  const absent = of({
    LoadState: 'not-found',
    ActiveState: 'inactive',
    SubState: 'dead',
    MainPID: '0',
    UnitFileState: '',
  });
  assert.deepEqual(
    [absent.loaded, absent.enabled, absent.state, absent.managerState, absent.pid],
    [false, false, 'stopped', 'not-found', undefined],
  );
  const masked = of({ LoadState: 'masked', UnitFileState: 'masked', ActiveState: 'inactive' });
  assert.deepEqual([masked.loaded, masked.enabled, masked.managerState], [false, false, 'masked']);
  const starting = of({ ActiveState: 'activating', SubState: 'start' });
  assert.deepEqual([starting.state, starting.since?.toISOString()], ['starting', '2026-11-24T18:01:08.000Z']);
  assert.equal(of({ ActiveState: 'reloading' }).state, 'running');
  assert.equal(of({ ActiveState: 'deactivating' }).state, 'stopping');
  const waits = of({
    ActiveState: 'activating',
    SubState: 'auto-restart',
    Result: 'exit-code',
    ExecMainCode: '1',
    ExecMainStatus: '1',
  });
  assert.deepEqual(
    [waits.state, waits.managerState, waits.ended],
    ['failed', 'activating (auto-restart)', 'exit code 1'],
  );
  const bad = of({
    ActiveState: 'failed',
    SubState: 'failed',
    Result: 'exit-code',
    ExecMainCode: '1',
    ExecMainStatus: '78',
  });
  assert.deepEqual([bad.state, bad.ended], ['failed', 'exit code 78']);
  assert.equal(
    of({ Result: 'watchdog', ExecMainCode: '3', ExecMainStatus: '6' }).ended,
    'watchdog, signal 6',
  );
  assert.equal(of({ Result: 'timeout' }).ended, 'timeout');
  assert.equal(of({ NeedDaemonReload: 'yes' }).unitChanged, true);
  for (const word of ['enabled-runtime', 'linked'])
    assert.equal(of({ UnitFileState: word }).enabled, true, word);
  for (const word of ['disabled', 'static', 'indirect', ''])
    assert.equal(of({ UnitFileState: word }).enabled, false, word);
});

test('any output of systemctl is read without an error', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      const state = readShow(text);
      assert.ok(['running', 'starting', 'stopping', 'stopped', 'failed'].includes(state.state));
    }),
  );
  assert.equal(
    readShow('MainPID=99999999999999\nActiveEnterTimestamp=yesterday\nActiveState=active').pid,
    undefined,
  );
});

test('systemctl is called without a shell, by its absolute path', async () => {
  const fake = await FakeSystemctl.make(await newFolder(), '/nowhere');
  const systemctl = new Systemctl(fake.program, here);
  assert.equal((await systemctl.state(unit)).managerState, 'not-found');
  assert.equal(await systemctl.version(), 252);
  await systemctl.run(['enable', 'a b; $(touch x)']);
  assert.deepEqual(await fake.calls(), ['enable a b; $(touch x)']);
});

test('the systemd of a user is asked with --user and XDG_RUNTIME_DIR', async () => {
  const folder = await newFolder();
  const program = join(folder, 'systemctl');
  await writeFile(program, '#!/bin/sh\necho "StatusText=$1 $XDG_RUNTIME_DIR $TZ $HOME"\n', { mode: 0o755 });
  const systemctl = new Systemctl(program, { ...here, user: true, env: { XDG_RUNTIME_DIR: '/run/user/7' } });
  assert.equal((await systemctl.state(unit)).statusText, '--user /run/user/7 UTC ');
});

test('the error of a failed command contains its message, made safe for a terminal', async () => {
  const fake = await FakeSystemctl.make(await newFolder(), '/nowhere');
  await fake.fails('enable', 'Failed to enable unit: Unit \u001b[2J is masked.\nsecond line\n');
  await assert.rejects(new Systemctl(fake.program, here).run(['enable', unit]), {
    code: 'failed',
    message: `${fake.program} enable ${unit} failed: Failed to enable unit: Unit \\u001b[2J is masked.; second line`,
  });
});

test('the error says that systemd does not run', async () => {
  const fake = await FakeSystemctl.make(await newFolder(), '/nowhere');
  await fake.fails(
    'show',
    "System has not been booted with systemd as init system (PID 1). Can't operate.\n",
  );
  await assert.rejects(new Systemctl(fake.program, here).state(unit), {
    code: 'unreachable',
    message: 'systemd does not answer on this machine',
  });
});

test('a systemctl that is in no known folder, or cannot be run, is an error', async () => {
  const folder = await newFolder();
  await assert.rejects(findSystemProgram('systemctl', [folder]), { code: 'unreachable' });
  const fake = await FakeSystemctl.make(folder, '/nowhere');
  assert.equal(await findSystemProgram('systemctl', [join(folder, 'absent'), folder]), fake.program);
  await chmod(fake.program, 0o644);
  await assert.rejects(findSystemProgram('systemctl', [folder]), { code: 'unreachable' });
  await assert.rejects(runProgram(fake.program, []), { code: 'failed', message: /cannot be run: .*EACCES/ });
});

test('a systemctl that hangs is killed', async () => {
  const program = join(await newFolder(), 'systemctl');
  await writeFile(program, '#!/bin/sh\nexec sleep 600\n', { mode: 0o755 });
  const clock = new FakeClock();
  const said = runProgram(program, ['daemon-reload'], { clock });
  await Promise.all([
    assert.rejects(said, {
      code: 'failed',
      message: `${program} daemon-reload did not end within 60 s and was killed`,
    }),
    clock.advance(60_000),
  ]);
});

test('a systemctl that writes without end is killed', async () => {
  const program = join(await newFolder(), 'systemctl');
  await writeFile(program, '#!/bin/sh\nexec cat /dev/zero\n', { mode: 0o755 });
  await assert.rejects(runProgram(program, ['show']), {
    code: 'failed',
    message: /wrote more than \d+ bytes and was killed/,
  });
});
