// Reads the output of launchctl. The samples imitate what macOS prints. None was recorded from muster.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { isDisabled, Launchctl, readPrint, readStart } from '../../agent/service/launchctl.ts';
import { newFolder } from '../support/temporary.ts';

const label = 'org.muster.agent';

const print = (lines: string[]) => `system/${label} = {
\tactive count = 1
\tpath = /Library/LaunchDaemons/${label}.plist
\ttype = LaunchDaemon
\tstate = running

\tprogram = /usr/local/bin/muster
\targuments = {
\t\t/usr/local/bin/muster
\t\tpid = 1
\t}

\tenvironment = {
\t\tXPC_SERVICE_NAME => ${label}
\t\tstate = hostile
\t}

${lines.map(line => `\t${line}\n`).join('')}
\tresource coalition = {
\t\tstate = active
\t\tpid = 2
\t}
}
`;

test('a service that a signal ended earlier and that runs again is read', () => {
  const state = readPrint(print(['runs = 3', 'pid = 16090', 'last terminating signal = Killed: 9']), false);
  assert.deepEqual(state, {
    loaded: true,
    enabled: true,
    state: 'running',
    managerState: 'running',
    since: undefined,
    pid: 16090,
    statusText: undefined,
    ended: 'Killed: 9',
    restarts: undefined,
    unitChanged: false,
  });
});

test('a service that does not run is read after a success, after a failure, and before its first start', () => {
  const of = (...lines: string[]) => {
    const { state, managerState, pid, ended } = readPrint(
      print(lines).replace('= running', '= not running'),
      false,
    );
    return [state, managerState, pid, ended];
  };
  assert.deepEqual(of('last exit code = 0'), ['stopped', 'not running', undefined, undefined]);
  assert.deepEqual(of('last exit code = (never exited)'), ['stopped', 'not running', undefined, undefined]);
  assert.deepEqual(of('last exit code = 78: EX_CONFIG'), [
    'failed',
    'not running',
    undefined,
    'exit code 78',
  ]);
  assert.deepEqual(of('last exit code = 1'), ['failed', 'not running', undefined, 'exit code 1']);
});

test('a service that is not loaded is read as stopped', () => {
  const { loaded, state, managerState, enabled } = readPrint('', true);
  assert.deepEqual([loaded, state, managerState, enabled], [false, 'stopped', 'not loaded', false]);
});

test('disabled services are recognised in the output of newer and older versions', () => {
  const listed = (word: string) =>
    `\n\tdisabled services = {\n\t\t"com.apple.x" => enabled\n\t\t"${label}" => ${word}\n\t}\n`;
  assert.equal(isDisabled(listed('disabled'), label), true);
  assert.equal(isDisabled(listed('true'), label), true);
  assert.equal(isDisabled(listed('enabled'), label), false);
  assert.equal(isDisabled(listed('disabled'), 'org.muster'), false);
  assert.equal(isDisabled('', label), false);
});

test('the start time of a process is read from ps', () => {
  assert.equal(readStart('Tue Nov 24 18:01:10 2026\n')?.toISOString(), '2026-11-24T18:01:10.000Z');
  assert.equal(readStart('Tue Nov  3 08:01:10 2026')?.toISOString(), '2026-11-03T08:01:10.000Z');
  for (const text of ['', 'yesterday', 'Tue Xxx 24 18:01:10 2026']) assert.equal(readStart(text), undefined);
});

test('any output is read without an error', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.boolean(), (text, disabled) => {
      assert.equal(readPrint(text, disabled).enabled, !disabled);
      isDisabled(text, label);
      readStart(text);
    }),
  );
});

test('launchctl is asked in the right domain; an unknown service is not loaded, and any other failure is an error', async () => {
  const folder = await newFolder();
  const program = join(folder, 'launchctl');
  const script = [
    '#!/bin/sh',
    'case "$1 $2" in',
    `  "print-disabled gui/501") echo '"${label}" => disabled' ;;`,
    `  "print gui/501/${label}") echo 'Could not find service' >&2; exit 113 ;;`,
    "  *) echo 'Bootstrap failed: 5: Input/output error' >&2; exit 5 ;;",
    'esac',
  ];
  await writeFile(program, `${script.join('\n')}\n`, { mode: 0o755 });
  const launchctl = new Launchctl(program, 'gui/501');
  const { loaded, enabled } = await launchctl.state(label);
  assert.deepEqual([loaded, enabled], [false, false]);
  const failure = { code: 'failed', message: /^\S+ print gui\/501\/other failed: Bootstrap failed: 5: / };
  await assert.rejects(launchctl.state('other'), failure);
  await assert.rejects(launchctl.run(['bootstrap', 'gui/501', '/x']), {
    message: /bootstrap gui\/501 \/x failed/,
  });
});

test('the start time of a running service comes from ps', async t => {
  if (!existsSync('/bin/ps')) return t.skip('there is no /bin/ps here (Debian: procps)');
  const program = join(await newFolder(), 'launchctl');
  await writeFile(
    program,
    `#!/bin/sh\n[ "$1" = print ] || exit 0\nprintf 'x = {\\n\\tpid = ${process.pid}\\n}\\n'\n`,
    {
      mode: 0o755,
    },
  );
  const { since } = await new Launchctl(program, 'system').state(label);
  const started = Date.now() - performance.now();
  assert.ok(since && Math.abs(since.getTime() - started) < 60_000, String(since));
});
