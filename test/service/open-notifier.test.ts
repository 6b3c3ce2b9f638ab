// Checks that notifications go through the native probe to the service manager that asked for them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openNotifier } from '../../agent/service/open-notifier.ts';
import { recordLog } from '../support/log-lines.ts';

const request = { socket: '/run/notify', watchdogMs: undefined };

test('when no service manager asked, nothing is loaded and nothing is sent', async () => {
  const { log, lines } = recordLog();
  const manager = await openNotifier(log, undefined, () => assert.fail('looked for a way'));
  manager.setSource(() => assert.fail('asked for the state'));
  manager.update();
  manager.updateSoon();
  manager.reloading();
  manager.reloaded('fault');
  manager.stopping();
  assert.deepEqual(lines, []);
});

test('notifications go to the socket that the service manager named', async () => {
  const told: [string, string][] = [];
  const notify = (socket: string, state: string) => told.push([socket, state]);
  const manager = await openNotifier(recordLog().log, request, async () => ({ notify }));
  manager.setSource(() => ({ ready: true, text: 'approved' }));
  manager.reloading();
  manager.stopping();
  assert.deepEqual(told[0], ['/run/notify', 'READY=1\nSTATUS=approved']);
  assert.match(told[1]?.[1] ?? '', /^RELOADING=1\nMONOTONIC_USEC=\d+$/);
  assert.deepEqual(told[2], ['/run/notify', 'STOPPING=1\nSTATUS=stopping']);
});

test('without the native probe one warning says what that means, and the role runs on', async () => {
  const { log, lines } = recordLog();
  const manager = await openNotifier(log, request, async () => ({ reason: 'it was not built' }));
  manager.setSource(() => ({ ready: true, text: 'approved' }));
  manager.stopping();
  assert.deepEqual(
    lines.map(({ level, fields }) => [level, fields]),
    [['warn', { reason: 'it was not built' }]],
  );
  assert.match(lines[0]?.message ?? '', /^only the native probe can notify the service manager/);
});
