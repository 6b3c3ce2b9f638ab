// Tests the ledger on a real disk: what it keeps over restarts and torn writes, how it forgets, and its size.
import assert from 'node:assert/strict';
import { appendFile, chmod, mkdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { Ledger } from '../../../agent/requester/ledger/ledger.ts';
import { recordLog } from '../../support/log-lines.ts';
import { newFolder } from '../../support/temporary.ts';

const at = '2026-11-28T08:00:00.000Z';
const code = { at };

async function begin() {
  const path = join(await newFolder(), 'ledger.jsonl');
  const { log, lines } = recordLog();
  return { path, lines, open: (max?: number) => Ledger.open(path, log, max) };
}

test('what was kept and forgotten is the same after a restart', async () => {
  const operation = fc.record({
    name: fc.constantFrom('a', 'b', 'c'),
    isPut: fc.boolean(),
    restarts: fc.boolean(),
  });
  const runs = fc.asyncProperty(fc.array(operation, { maxLength: 20 }), async operations => {
    const { open, path } = await begin();
    const expected = new Map<string, { at: string }>();
    let ledger = await open();
    for (const [index, { name, isPut, restarts }] of operations.entries()) {
      const value = { at: String(index) };
      if (isPut) await ledger.put('code', name, value);
      else await ledger.remove('code', name);
      expected.delete(name);
      if (isPut) expected.set(name, value);
      if (restarts) ledger = await open();
    }
    const again = await open();
    assert.deepEqual(new Map(again.entries('code')), expected, await readFile(path, 'utf8').catch(() => ''));
  });
  await fc.assert(runs, { numRuns: 30 });
});

test('a file that a crash cut at any place has every entry before the cut, and takes new ones', async () => {
  const { open, path, lines } = await begin();
  const first = await open();
  for (const name of ['a', 'b', 'c']) await first.put('code', name, code);
  const { length } = await readFile(path);
  for (let cut = length; cut >= 0; cut -= 7) {
    await truncate(path, cut);
    const whole = (await readFile(path, 'utf8')).match(/\}\}(?=\n|$)/g)?.length ?? 0;
    const ledger = await open();
    assert.equal(ledger.entries('code').length, whole, `cut at ${cut}`);
    await ledger.put('token', 'd', { holder: 'operator ada', at });
    assert.deepEqual((await open()).get('token', 'd'), { holder: 'operator ada', at });
    await truncate(path, cut);
  }
  assert.ok(lines.some(({ message }) => message.startsWith('lines of the ledger cannot be read')));
});

test('lines of a later version, and any other text, are left out', async () => {
  const { open, path } = await begin();
  await (await open()).put('ban', 'NKEY', { id: 'node-1', actor: 'ada', reason: '', at });
  await appendFile(
    path,
    '{"kind":"later","name":"x","value":{}}\n{"kind":"ban","name":"y","value":{}}\nnonsense\n[1]\n',
  );
  const ledger = await open();
  assert.deepEqual(
    ledger.entries('ban').map(([name]) => name),
    ['NKEY'],
  );
});

test('each kind has so many entries at most, and the file stays in proportion', async () => {
  const { open, path } = await begin();
  const ledger = await open(3);
  await Promise.all(Array.from({ length: 2_500 }, (_, index) => ledger.put('code', `c${index}`, code)));
  await ledger.put('token', 't', { holder: 'operator ada', at });
  assert.deepEqual(
    ledger.entries('code').map(([name]) => name),
    ['c2497', 'c2498', 'c2499'],
  );
  const again = await open(3);
  assert.deepEqual(again.entries('code'), ledger.entries('code'));
  assert.deepEqual(again.entries('token'), ledger.entries('token'));
  assert.ok((await readFile(path, 'utf8')).split('\n').length < 2_200);
});

test('a decision stands when the disk takes nothing, the log says so, and the next one writes all of it', async () => {
  const { open, path, lines } = await begin();
  const ledger = await open();
  await mkdir(path);
  await ledger.put('code', 'a', code);
  assert.deepEqual(ledger.get('code', 'a'), code);
  assert.match(lines.at(-1)?.message ?? '', /not in the ledger yet/);
  await rm(path, { recursive: true });
  await ledger.put('code', 'b', code);
  assert.deepEqual(
    (await open()).entries('code').map(([name]) => name),
    ['a', 'b'],
  );
});

test('a link in its place is neither read nor written', async () => {
  const { open, path } = await begin();
  const other = `${path}.other`;
  await writeFile(other, 'mine');
  await symlink(other, path);
  await assert.rejects(open(), { code: 'bad_state' });
  await rm(path);
  const ledger = await open();
  await symlink(other, path);
  await ledger.put('code', 'a', code);
  assert.equal(await readFile(other, 'utf8'), 'mine');
  await chmod(other, 0o600);
});
