// A migration of any file is safe: with secrets, aliases, control characters, too many keys, or random content.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { bacalhauKeys } from '../../../agent/config/bacalhau/key-table.ts';
import { migrate } from '../../../agent/config/bacalhau/migrate.ts';
import { checkText } from '../../../agent/config/check-text.ts';
import { yamlText } from '../../../agent/output/data.ts';
import { isLoopback } from '../../../agent/system/loopback.ts';
import { faultsOf } from '../surroundings.ts';
import { migrated, nested, path } from './migrated.ts';

test('a secret is in the result only when it is asked for, and never in a message', async () => {
  const files = [
    'Compute: { Auth: { Token: zq7qz } }',
    'Compute: { Auth: { Token: "zq7qz\\u0007" } }',
    'Compute: { Auth: { Token: [zq7qz] } }',
    'Compute: { Auth: { Token: { zq7qz: zq7qz } } }',
    'Compute: { Auth: zq7qz }',
    'Compute: { Auth: { Tokn: zq7qz } }',
    'Compute:\n  Auth:\n    Token:zq7qz: x',
    'Compute: { Orchestrators: ["nats://zq7qz@h"] }',
    'Compute: { Orchestrators: ["ws://zq7qz@h"] }',
    'Compute: { Orchestrators: "nats://zq7qz@h, zq7qz@i" }',
    'Compute: { Orchestrators: ["nats://user:zq7qz@h"] }',
    'Compute: { Orchestrators: ["nats://zq7%zz7qz@h"] }',
    'Compute: { Orchestrators: ["nats://h?token=zq7qz", "h/?zq7qz", "nats://h:4222#zq7qz"] }',
    'Compute: { Orchestrators: ["nats://u@h?token=zq7qz"] }',
    'Orchestrator: { Enabled: true, Auth: { Token: zq7qz } }',
    'Orchestrator: { Auth: { Token: zq7qz } }',
    'Node: { Network: { AuthSecret: zq7qz } }',
    'Node: { EstuaryAPIKey: zq7qz }',
  ];
  for (const text of files) {
    const { yaml, dropped, notes } = await migrated(`${text}\nDataDir: /x`);
    assert.doesNotMatch([yaml, ...dropped, ...notes].join('\n'), /zq7|7qz/, text);
    const written = await migrated(`${text}\nDataDir: /x`, 'write');
    assert.doesNotMatch([...written.dropped, ...written.notes].join('\n'), /zq7|7qz/, text);
  }
  assert.match(
    (await migrated(files[0] ?? '', 'write')).yaml,
    /^ {2}token: zq7qz # Compute\.Auth\.Token, line 1$/m,
  );
});

test('a file that is not YAML or not a configuration of Bacalhau is an error', async () => {
  const fails = (text: string) =>
    faultsOf(migrate(text, { path, secrets: 'point', mayListenOn: isLoopback }));
  assert.deepEqual(await fails('Compute: {'), [
    `${path}:1: not valid YAML: the indentation does not fit the lines around it, or a bracket is not closed`,
  ]);
  for (const text of ['', 'x', '- a', 'Frobnicate: 1', 'compute: { heartbeatFrequency: 5s }']) {
    assert.deepEqual(
      await fails(text),
      [`${path}: none of its keys is one of Bacalhau's configuration`],
      text,
    );
  }
  const hint = async (text: string) =>
    migrate(text, { path, secrets: 'point', mayListenOn: isLoopback }).catch(error => error.hint);
  assert.match(await hint('compute: { heartbeatFrequency: 5s }'), /it looks like a configuration of muster/);
  assert.match(await hint('x: 1'), /^name the config\.yaml of a Bacalhau node$/);
});

test('aliases are not followed, so that they cannot expand without end', async () => {
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]'];
  for (const [from, to] of ['ab', 'bc', 'cd', 'de', 'ef', 'fg', 'gh', 'hi'])
    bomb.push(`${to}: &${to} [${Array(9).fill(`*${from}`).join(', ')}]`);
  const { settings, dropped } = await migrated(
    `${bomb.join('\n')}\nLabels: { a: *i }\nCompute:\n  Orchestrators: *i\n  <<: *i\n`,
  );
  assert.deepEqual(settings, {});
  const alias = 'it is an alias, which is not followed; write the value itself';
  assert.ok(dropped.includes('10: Labels.a is dropped: one value is expected'));
  assert.ok(dropped.includes(`12: Compute.Orchestrators is dropped: ${alias}`));
  assert.ok(dropped.includes(`13: Compute.<< is dropped: ${alias}`));
  const anchored = await migrated('Compute: { Heartbeat: &h { Interval: &i 20s } }');
  assert.deepEqual(anchored.settings, { compute: { heartbeatFrequency: '20s' } });
});

test('only the first 64 servers of a longer list are taken', async () => {
  const list = Array.from({ length: 66 }, (_, index) => `h${index}`);
  const { settings, dropped } = await migrated(stringify({ Compute: { Orchestrators: list } }));
  assert.equal(settings.nats.servers.length, 64);
  assert.deepEqual(dropped, [
    '67: Compute.Orchestrators is dropped: there are too many; allowed: 64',
    '68: Compute.Orchestrators is dropped: there are too many; allowed: 64',
  ]);
  const almost = await migrated(stringify({ Compute: { Orchestrators: [...list.slice(3), 'x,y'] } }));
  assert.equal(almost.settings.nats.servers.length, 63);
  assert.equal(almost.dropped.length, 1);
  const inOne = await migrated(stringify({ Compute: { Orchestrators: [list.join()] } }));
  assert.deepEqual(inOne.settings, {});
  assert.match(
    inOne.dropped.join(),
    /^3: Compute\.Orchestrators is dropped: 66 servers are too many; allowed: 64$/,
  );
});

test('a value that is far too long is refused quickly', async () => {
  for (const unit of ['1', '1.', '.1', '1s', ' ', '%', ',', '@', ':']) {
    const long = unit.repeat(200_000 / unit.length);
    for (const key of [
      'Compute.Heartbeat.Interval',
      'Compute.AllocatedCapacity.Memory',
      'Compute.AllocatedCapacity.CPU',
    ]) {
      // A pattern that backtracks without end would stop the test for ever.
      const { settings } = await migrated(stringify({ DataDir: '/x', ...nested(key, long) }));
      assert.deepEqual(settings, {}, `${key}: ${unit}`);
    }
    for (const key of ['Compute.Orchestrators', 'Labels', 'API.Host', 'Orchestrator.Host'])
      await migrated(stringify({ DataDir: '/x', ...nested(key, long) }));
  }
});

test('messages hold nothing that a terminal obeys', async () => {
  const text =
    'Labels: { "a\\u001b[2J": x, b: "\\u202e" }\n"Evil\\u001b]0;x\\u0007": 1\n"Compute\\n": { x: 1 }\n';
  const { yaml, dropped, notes, settings } = await migrated(text);
  for (const line of [...yaml.split('\n'), ...dropped, ...notes])
    assert.doesNotMatch(line, /[\p{Cc}\p{Cf}]/u);
  assert.deepEqual(settings, { node: { labels: { b: '\u202e' } } });
});

test('1 MiB of unknown keys gives messages about them, and nothing else', async () => {
  const lines = Array.from({ length: 60_000 }, (_, index) => `Frobnicate${index}: 1`);
  const { settings, dropped } = await migrated(`DataDir: /x\n${lines.join('\n')}`);
  assert.deepEqual([settings, dropped.length], [{}, 60_001]);
});

test('the result of any file can be loaded, and each key has a setting or a message', async () => {
  const names = Object.keys(bacalhauKeys);
  const scalar = fc.oneof(
    fc.constantFrom(
      '15s',
      '1m',
      '100h',
      '168h',
      '8GB',
      '80%',
      '2',
      true,
      false,
      0,
      4222,
      '0.0.0.0',
      'localhost',
      'json',
      'x=y',
      'heartbeat',
    ),
    fc.string({ unit: 'binary' }).filter(text => text.isWellFormed()),
    fc.double(),
  );
  const value = fc.oneof(
    { arbitrary: scalar, weight: 5 },
    fc.array(scalar, { maxLength: 3 }),
    fc.dictionary(fc.string(), scalar, { maxKeys: 3 }),
  );
  const entries = fc.uniqueArray(fc.tuple(fc.constantFrom(...names), value), {
    minLength: 1,
    maxLength: 12,
    selector: ([name]) => name,
  });
  await fc.assert(
    fc.asyncProperty(entries, fc.constantFrom('write', 'point'), async (entries, secrets) => {
      const { root, placed } = tree(entries);
      const text = stringify(root);
      const done = await migrate(text, { path, secrets, mayListenOn: isLoopback }).catch(error => error);
      if (done instanceof Error) {
        // None of its keys had a value.
        assert.match(done.message, /none of its keys/);
        return;
      }
      const yaml = await yamlText(done.document);
      assert.deepEqual(checkText(yaml, '/result').faults, [], yaml);
      const told = [...yaml.split('\n'), ...done.dropped, ...done.notes];
      for (const line of told) assert.doesNotMatch(line, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      for (const [name, value] of placed) {
        const fate = bacalhauKeys[name];
        // A key with the same value as an earlier one has no message.
        const alone = !placed.some(([other]) => other !== name && sameTarget(name, other));
        if (fate && !('role' in fate) && alone && holds(value))
          assert.ok(
            told.some(line => line.includes(name)),
            `${name} in ${text}`,
          );
      }
    }),
    { numRuns: 300 },
  );
});

/** Returns the entries as a file nests them, and the list of those that have a place. An entry below a value has none. */
function tree(entries: readonly [string, unknown][]) {
  const root: Record<string, unknown> = {};
  const placed = entries.filter(([name, value]) => {
    const names = name.split('.');
    const last = names.pop() ?? '';
    let group = root;
    for (const part of names) {
      group[part] ??= {};
      const below = group[part];
      if (typeof below !== 'object' || below === null || Array.isArray(below)) return false;
      group = below as typeof root;
    }
    if (last in group) return false;
    group[last] = value;
    return true;
  });
  return { root, placed };
}

function sameTarget(one: string, other: string): boolean {
  const targets = [one, other].map(name => {
    const fate = bacalhauKeys[name] ?? { dropped: '' };
    return 'to' in fate ? fate.to : 'token' in fate || 'servers' in fate ? 'nats' : name;
  });
  return targets[0] === targets[1];
}

/** Returns whether the value contains anything except blanks and commas, which count as empty. */
function holds(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return !/^[\s,]*$/.test(String(value ?? ''));
  return Object.values(value).some(holds);
}
