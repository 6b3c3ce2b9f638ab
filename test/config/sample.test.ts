// The sample configuration has all settings of a role, sets none, and every line of it is valid when uncommented.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isSecret, settingKeys, settingOf } from '../../agent/config/keys.ts';
import { loadSettings } from '../../agent/config/load.ts';
import { packagedSchema, sampleConfig } from '../../agent/config/sample.ts';
import type { SettingKey } from '../../agent/config/settings.ts';
import { readYaml } from '../../agent/config/yaml.ts';
import { defaultSettings } from '../support/default-settings.ts';
import { configFile, surroundings } from './surroundings.ts';

const roles = ['agent', 'requester', 'both'] as const;
const commented = /^( *)#(?=[A-Za-z])/;

/** Returns `text` with the lines uncommented that `chosen` picks among those that show a setting. */
function uncommented(text: string, chosen: (index: number) => boolean): string {
  let index = 0;
  return text
    .split('\n')
    .map(line => (commented.test(line) && chosen(index++) ? line.replace(commented, '$1') : line))
    .join('\n');
}

/** Returns the settings that the lines of `text` name, in order. */
function namedIn(text: string): string[] {
  const path: string[] = [];
  return text.split('\n').flatMap(line => {
    const [, indent, mark, name] = /^( *)(#?)([A-Za-z]+):/.exec(line) ?? [];
    if (indent === undefined || name === undefined) return [];
    path.splice(indent.length / 2, path.length, name);
    return mark === '#' ? [path.join('.')] : [];
  });
}

test('the sample names every setting of the role in the order of the table, and sets none', async t => {
  for (const role of roles) {
    const text = sampleConfig(role);
    const expected = settingKeys.filter(
      key => role === 'both' || ['both', role].includes(settingOf(key).roles),
    );
    assert.deepEqual(namedIn(text), expected);
    const loaded = await loadSettings({ configFile: await configFile(t, text), environment: surroundings() });
    assert.deepEqual([loaded.settings, loaded.warnings], [defaultSettings(), []]);
    assert.ok(text.split('\n').every(line => line.length <= 110));
  }
});

test('the comment before a setting says what it is and what is allowed', () => {
  const words = sampleConfig('both').replace(/\n *# /g, ' ');
  for (const key of settingKeys) {
    const { help, type } = settingOf(key);
    const at = words.indexOf(` ${help} (`);
    const [, told, name] = / \(([^\n]*)\)\n *#(\w+):/.exec(words.slice(at + help.length)) ?? [];
    assert.ok(told === type.allowed || told === type.name, `${key}: ${told}`);
    assert.equal(name, key.split('.').at(-1));
  }
});

test('any lines can be uncommented, and set the defaults', async t => {
  for (const role of roles) {
    const text = sampleConfig(role);
    const count = namedIn(text).length;
    const path = await configFile(t, '');
    const check = (chosen: (index: number) => boolean) => {
      const { entries, faults } = readYaml(uncommented(text, chosen), path);
      assert.deepEqual(faults, []);
      for (const { key, input } of entries) {
        const base = { folder: '/', home: undefined };
        const plain = settingOf(key).type.plain(settingOf(key).type.read(input, base));
        assert.deepEqual(plain, normal(key), key);
      }
      return entries.map(({ key }) => key);
    };
    const withDefault = (keys: string[]) =>
      keys.filter(key => settingOf(key as SettingKey).default !== undefined);
    const all = namedIn(text);
    for (let only = 0; only < count; only++) {
      assert.deepEqual(
        check(index => index === only),
        withDefault([all[only] ?? '']),
      );
    }
    fc.assert(
      fc.property(fc.subarray([...all.keys()]), chosen => {
        const keys = all.filter((_, index) => chosen.includes(index));
        assert.deepEqual(
          check(index => chosen.includes(index)),
          withDefault(keys),
        );
      }),
      { numRuns: 30 },
    );
  }
});

test('all lines can be uncommented together without a warning', async t => {
  for (const role of roles) {
    const file = await configFile(
      t,
      uncommented(sampleConfig(role), () => true),
    );
    const { settings, warnings } = await loadSettings({ configFile: file, environment: surroundings() });
    assert.deepEqual([settings, warnings], [defaultSettings(), []]);
  }
});

test('no secret has a value in the sample', () => {
  const lines = sampleConfig('both').split('\n');
  for (const key of settingKeys.filter(isSecret)) {
    assert.ok(lines.includes(`  #${key.split('.').at(-1)}:`), key);
  }
});

test('the first line names the schema', () => {
  const first = (text: string) => text.split('\n')[0];
  assert.equal(first(sampleConfig('agent')), `# yaml-language-server: $schema=${packagedSchema}`);
  assert.equal(first(sampleConfig('both', './x.json')), '# yaml-language-server: $schema=./x.json');
});

/** Returns the default of `key` as its kind writes it. */
function normal(key: SettingKey): unknown {
  const { type, default: value } = settingOf(key);
  if (value === undefined) return undefined;
  const input =
    typeof value !== 'object' ? String(value) : Array.isArray(value) ? value : new Map(Object.entries(value));
  return type.plain(type.read(input, { folder: '/', home: undefined }));
}
