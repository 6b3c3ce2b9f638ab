// Tests that the addon exports what index.d.ts declares, and that no panic in it ends the process.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { nativeFolder, probe } from './probe.ts';

test('index.d.ts fits the Rust sources', async () => {
  const kept = await readFile(join(nativeFolder, 'index.d.ts'), 'utf8');
  const generated = await readFile(join(nativeFolder, 'target/napi/index.d.ts'), 'utf8');
  assert.equal(kept, generated, 'run `native/build types` and commit index.d.ts');
});

test('the addon exports exactly what index.d.ts declares', async () => {
  const types = await readFile(join(nativeFolder, 'index.d.ts'), 'utf8');
  const declared = [...types.matchAll(/^export declare function (\w+)/gm)].map(([, name]) => name);
  assert.deepEqual(Object.keys(probe).sort(), declared.sort());
});

// native/tests/panics.rs tests that the attribute does this.
test('every exported function turns panics into errors', async () => {
  const exported: string[] = [];
  for (const entry of await readdir(join(nativeFolder, 'src'), { recursive: true })) {
    if (!entry.endsWith('.rs')) continue;
    const source = await readFile(join(nativeFolder, 'src', entry), 'utf8');
    for (const [, options = '', name = ''] of source.matchAll(/#\[napi(.*)\]\s+pub fn (\w+)/g)) {
      assert.match(options, /\bcatch_unwind\b/, name);
      exported.push(name);
    }
  }
  assert.equal(exported.length, Object.keys(probe).length);
});

test('arguments of a wrong type are refused with an error', () => {
  const wrong = probe as unknown as Record<string, (...values: unknown[]) => unknown>;
  for (const [name, ...values] of [
    ['disk'],
    ['disk', 7],
    ['disk', '/', 'soon'],
    ['exitNow'],
    ['exitNow', 'soon'],
    ['notify', '/socket'],
    ['notify', 7, 'READY=1'],
    ['cgroup', { root: 7 }],
    ['gpusNvml', { library: [] }],
    ['nvmlFigures', 'soon'],
  ] as const) {
    assert.throws(() => wrong[name]?.(...values), Error, `${name}(${values})`);
  }
});
