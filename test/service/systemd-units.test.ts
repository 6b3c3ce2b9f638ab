// Checks the units with systemd's own tools, and checks that they contain what they must.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Role } from '../../agent/config/role.ts';
import { unitName } from '../../agent/service/scope.ts';
import { type UnitOptions, unitFile } from '../../agent/service/systemd-units.ts';
import { findProgram } from '../support/find-program.ts';
import { newFolder } from '../support/temporary.ts';

const roles = ['agent', 'requester'] as const;
const analyze = await findProgram('systemd-analyze').catch(() => undefined);
const skip = analyze ? false : 'systemd-analyze is not here: its verdict on the units is left out';

const unit = (role: Role, options: Partial<UnitOptions> = {}) =>
  unitFile(role, { executable: '/usr/bin/muster', scope: 'system', ...options });

/** Returns the values of a key, in order. */
const values = (text: string, key: string) =>
  text.split('\n').flatMap(line => (line.startsWith(`${key}=`) ? [line.slice(key.length + 1)] : []));

describe('systemd-analyze', { skip }, () => {
  async function run(args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
    // The service manager of a user needs its folder, which may be empty.
    const env = { PATH: process.env.PATH, XDG_RUNTIME_DIR: await newFolder(), HOME: await newFolder() };
    return new Promise(resolve => {
      const child = execFile(analyze ?? '', args, { env }, (_, stdout, stderr) =>
        resolve({ code: child.exitCode, stdout, stderr }),
      );
    });
  }

  async function written(role: Role, options: Partial<UnitOptions>): Promise<string> {
    // systemd-analyze checks that the program exists.
    const text = unit(role, { executable: process.execPath, ...options });
    const folder = join(await newFolder(), 'units');
    await mkdir(folder);
    const file = join(folder, unitName(role));
    await writeFile(file, text);
    return file;
  }

  async function version(): Promise<number> {
    return Number(/systemd (\d+)/.exec((await run(['--version'])).stdout)?.[1]);
  }

  test('verify finds nothing', async () => {
    const systemd = await version();
    for (const role of roles) {
      for (const options of [{}, { systemd }, { groups: ['root'] }]) {
        const { code, stdout, stderr } = await run(['verify', await written(role, options)]);
        assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: '', stderr: '' }, role);
      }
      const user = await run(['--user', 'verify', await written(role, { scope: 'user' })]);
      assert.deepEqual(user, { code: 0, stdout: '', stderr: '' }, role);
    }
  });

  test('security finds an exposure of 2.0 at most', async () => {
    for (const role of roles) {
      const file = await written(role, {});
      const { code, stdout } = await run([
        'security',
        '--offline=true',
        '--no-pager',
        '--threshold=20',
        file,
      ]);
      assert.equal(code, 0, stdout);
      // Without the default dependencies a unit may start early, and systemd-analyze then counts less.
      await writeFile(file, unit(role).replace(/^DefaultDependencies=no$/m, ''));
      const strict = await run(['security', '--offline=true', '--no-pager', '--threshold=20', file]);
      assert.equal(strict.code, 0, strict.stdout);
    }
  });
});

test('systemd restarts a role without end, except after faults that a person must correct', () => {
  for (const role of roles) {
    for (const scope of ['system', 'user'] as const) {
      const text = unit(role, { scope });
      assert.deepEqual(values(text, 'Restart'), ['always']);
      assert.deepEqual(values(text, 'StartLimitIntervalSec'), ['0']);
      assert.deepEqual(values(text, 'RestartPreventExitStatus'), ['64 78']);
      assert.deepEqual(values(text, 'Type'), ['notify']);
      assert.deepEqual(values(text, 'TimeoutStartSec'), ['infinity']);
      assert.match(text.split('[Service]')[0] ?? '', /StartLimitIntervalSec=0/);
    }
  }
  assert.deepEqual(values(unit('agent'), 'RestartSteps'), []);
  assert.deepEqual(values(unit('agent', { systemd: 253 }), 'RestartSteps'), []);
  assert.deepEqual(values(unit('agent', { systemd: 254 }), 'RestartSteps'), ['4']);
});

test('a unit runs only programs that a minimal system has. /bin/kill is not one of them', () => {
  for (const role of roles)
    for (const scope of ['system', 'user'] as const) {
      const lines = unit(role, { scope }).split('\n');
      const programs = lines.flatMap(line => /^Exec(?:Start|Stop|Reload)\w*=(\S+)/.exec(line)?.[1] ?? []);
      assert.deepEqual(programs, ['/usr/bin/muster', '/bin/sh']);
    }
});

test('the sandbox allows what the agent needs: devices by class, /proc, and memory for code that V8 compiles', () => {
  const text = unit('agent');
  assert.deepEqual(values(text, 'DeviceAllow'), [
    'char-nvidia* rw',
    'char-drm rw',
    'char-kfd rw',
    'char-accel rw',
  ]);
  for (const role of roles) {
    for (const key of ['MemoryDenyWriteExecute', 'ProcSubset', 'MemoryMax', 'CPUQuota', 'RuntimeDirectory'])
      assert.deepEqual(values(unit(role), key), [], key);
  }
  assert.deepEqual(values(text, 'PrivateDevices'), []);
  assert.deepEqual(values(unit('requester'), 'PrivateDevices'), ['yes']);
  // A unit that names a missing group would not start.
  assert.deepEqual(values(text, 'SupplementaryGroups'), []);
  assert.deepEqual(values(unit('agent', { groups: ['video'] }), 'SupplementaryGroups'), ['video']);
});

test('each role has its own credential for every secret setting that it reads', () => {
  assert.deepEqual(values(unit('agent'), 'LoadCredential'), [
    'nats.token:muster-agent.nats.token',
    'nats.password:muster-agent.nats.password',
    'join.code:muster-agent.join.code',
  ]);
  assert.deepEqual(values(unit('requester'), 'LoadCredential'), [
    'nats.token:muster-requester.nats.token',
    'nats.password:muster-requester.nats.password',
  ]);
});

test('the unit of a user contains nothing that only the service manager of the system can do', () => {
  for (const role of roles) {
    const text = unit(role, { scope: 'user' });
    for (const key of [
      'User',
      'DynamicUser',
      'StateDirectory',
      'LoadCredential',
      'DeviceAllow',
      'ProtectSystem',
    ])
      assert.deepEqual(values(text, key), [], key);
    assert.deepEqual(values(text, 'WantedBy'), ['default.target']);
    // Otherwise /etc/muster/config.yaml of a package would hide the configuration that install made.
    assert.deepEqual(values(text, 'ConfigurationDirectory'), ['muster']);
    assert.deepEqual(values(text, 'NoNewPrivileges'), ['yes']);
  }
});

test('the path of the program is quoted for systemd, or refused', () => {
  const start = (executable: string) => values(unit('agent', { executable }), 'ExecStart')[0];
  assert.equal(start('/usr/bin/muster'), '/usr/bin/muster agent');
  assert.equal(start('/opt/my tools/muster'), '"/opt/my tools/muster" agent');
  assert.equal(start('/opt/100%/$HOME'), '/opt/100%%/$$HOME agent');
  for (const path of ['muster', './muster', '', '/a\nExecStart=/b', '/a"b', "/a'b", '/a\\b', '/a\u0085b'])
    assert.throws(() => start(path), { code: 'usage' }, path);
});

test('the broker may run from the state folder, which systemd 257 mounts noexec otherwise', () => {
  assert.deepEqual(values(unit('requester'), 'ExecPaths'), [
    `/var/lib/${values(unit('requester'), 'StateDirectory')[0]}`,
  ]);
  assert.deepEqual(values(unit('agent'), 'ExecPaths'), []);
  assert.deepEqual(values(unit('requester', { scope: 'user' }), 'ExecPaths'), []);
});
