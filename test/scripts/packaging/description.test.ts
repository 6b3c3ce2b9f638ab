// pkg.config.json is read, and every fault in it is reported.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { readDescription } from '../../../scripts/packaging/description.ts';
import { targetNames } from '../../../scripts/packaging/target.ts';

const text = await readFile(new URL('../../../pkg.config.json', import.meta.url), 'utf8');

/** Returns the description with one part changed. */
const changed = (change: (pkg: Record<string, unknown>) => void): string => {
  const config = JSON.parse(text) as { pkg: Record<string, unknown> };
  change(config.pkg);
  return JSON.stringify(config);
};

test('pkg.config.json describes every target, with the Node that package.json pins', async () => {
  const { optionalDependencies } = JSON.parse(
    await readFile(new URL('../../../package.json', import.meta.url), 'utf8'),
  ) as { optionalDependencies: Record<string, string> };
  const { targets, seaConfig } = await readDescription();
  assert.deepEqual([...targets.keys()], [...targetNames]);
  for (const version of targets.values())
    assert.deepEqual([version], [...new Set(Object.values(optionalDependencies))]);
  assert.equal(seaConfig.execArgvExtension, 'none');
});

test('a fault is reported with the member that has it', async () => {
  const faults: [string, RegExp][] = [
    ['{', /^pkg\.config\.json: .*JSON/],
    ['[]', /^pkg\.config\.json: name: .*; pkg: /],
    [changed(pkg => Object.assign(pkg, { compress: 'Brotli' })), /pkg\.compress: /],
    [changed(pkg => Object.assign(pkg, { targets: ['node26-linux-x64'] })), /pkg\.targets\.0: /],
    [
      changed(pkg => Object.assign(pkg, { targets: ['node26.10.0-win-x64'] })),
      /muster is not made for node26\.10\.0-win-x64/,
    ],
    [
      changed(pkg => Object.assign(pkg, { assets: ['build/*/other.bin'] })),
      /pkg\.assets\.0: there is no asset called build\/\*\/other\.bin/,
    ],
    [changed(pkg => Object.assign(pkg, { seaConfig: { useVfs: true } })), /pkg\.seaConfig\.useVfs: /],
  ];
  for (const [wrong, expected] of faults)
    await assert.rejects(readDescription(wrong), { code: 'bad_config', message: expected }, wrong);
});
