// Checks what a reload logs and applies, and that many signals at once cause few reloads.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { loadSettings } from '../../agent/config/load.ts';
import type { Flags } from '../../agent/config/sources.ts';
import { createReloader } from '../../agent/roles/reload.ts';
import type { StatusNotifier } from '../../agent/service/notifier.ts';
import { type LogFields, silentLog } from '../../agent/system/log.ts';
import { surroundings } from '../config/surroundings.ts';

const load = (flags: Flags) => loadSettings({ flags, environment: surroundings({}) });

/** Starts a role with `flags`. `again` makes it read other flags, once for each signal, and returns what it logged. */
async function running(flags: Flags) {
  const logged: string[] = [];
  const counts = { loads: 0, applied: 0 };
  const first = await load(flags);
  let next = first;
  const record = ({ changed }: LogFields, message: string) => void logged.push(`${message}: ${changed}`);
  const notifier: Partial<StatusNotifier> = { reloading: () => undefined, reloaded: () => undefined };
  const reload = createReloader(first.settings, {
    async load() {
      counts.loads++;
      return next;
    },
    log: { ...silentLog, info: record, warn: record, setLevel: () => undefined },
    notifier: notifier as StatusNotifier,
    apply: () => void counts.applied++,
  });
  const again = async (others: Flags, signals = 1) => {
    next = await load(others);
    for (let i = 0; i < signals; i++) reload();
    // All promises of a reload are settled by then.
    await setImmediate();
    return logged.splice(0);
  };
  return { again, counts };
}

const read = (changed = '') => `configuration read again: ${changed}`;
const waits = (changed: string) => `these settings change only with a restart: ${changed}`;

test('a setting that needs a restart is logged at each reload until it has its first value again', async () => {
  const { again } = await running({ 'node.id': 'a' });
  const next: Flags = { 'node.id': 'b', 'log.level': 'debug' };
  assert.deepEqual(await again(next), [read('log.level'), waits('node.id')]);
  assert.deepEqual(await again(next), [read(), waits('node.id')]);
  assert.deepEqual(await again({ 'node.id': 'a' }), [read('log.level')]);
});

test('a thousand signals cause one reload, or two when some came after the first began', async () => {
  const { again, counts } = await running({});
  await again({}, 1000);
  assert.ok(counts.loads === 1 || counts.loads === 2, `${counts.loads}`);
  assert.equal(counts.applied, counts.loads);
  assert.deepEqual(await again({ 'log.level': 'debug' }), [read('log.level')]);
});
