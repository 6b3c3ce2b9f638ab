// What SIGHUP says and does: measured against what runs, and no more often than it takes.
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

/** A role that runs by `flags`; `again` lets it read others, as often as there are signals, and answers what was said. */
async function running(flags: Flags) {
  const said: string[] = [];
  const counts = { loads: 0, applied: 0 };
  const first = await load(flags);
  let next = first;
  const say = ({ changed }: LogFields, message: string) => void said.push(`${message}: ${changed}`);
  const service: Partial<StatusNotifier> = { reloading: () => undefined, reloaded: () => undefined };
  const reload = createReloader(first.settings, {
    async load() {
      counts.loads++;
      return next;
    },
    log: { ...silentLog, info: say, warn: say, setLevel: () => undefined },
    service: service as StatusNotifier,
    apply: () => void counts.applied++,
  });
  const again = async (others: Flags, signals = 1) => {
    next = await load(others);
    for (let i = 0; i < signals; i++) reload();
    // Nothing here takes longer than the promises that are already kept.
    await setImmediate();
    return said.splice(0);
  };
  return { again, counts };
}

const read = (changed = '') => `configuration read again: ${changed}`;
const waits = (changed: string) => `these settings change only with a restart: ${changed}`;

test('what waits for a restart is said as long as it waits, and no longer', async () => {
  const { again } = await running({ 'node.id': 'a' });
  const next: Flags = { 'node.id': 'b', 'log.level': 'debug' };
  assert.deepEqual(await again(next), [read('log.level'), waits('node.id')]);
  assert.deepEqual(await again(next), [read(), waits('node.id')]);
  assert.deepEqual(await again({ 'node.id': 'a' }), [read('log.level')]);
});

test('a storm of signals is read once, and once more for what came after that began', async () => {
  const { again, counts } = await running({});
  await again({}, 1000);
  assert.ok(counts.loads === 1 || counts.loads === 2, `${counts.loads}`);
  assert.equal(counts.applied, counts.loads);
  assert.deepEqual(await again({ 'log.level': 'debug' }), [read('log.level')]);
});
