// Tests the configuration file as YAML: the case of keys, line numbers, broken and hostile files.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { settingKeys } from '../../agent/config/keys.ts';
import { loadSettings } from '../../agent/config/load.ts';
import { readYaml } from '../../agent/config/yaml.ts';
import { configFile, faultsOf, surroundings } from './surroundings.ts';

const faults = (text: string) => readYaml(text, '/c.yaml').faults;
const entries = (text: string) => readYaml(text, '/c.yaml').entries;

test('keys match in any case, and the keys of labels keep theirs', async t => {
  const text = `Compute:
  InfoUpdateFrequency: 20s
  ALLOCATEDCAPACITY: {CPU: 500m, memory: 1GiB}
Node:
  Labels:
    Zone: eu
    zone: us
    version: 1.10
    empty:
    answer: "true"
`;
  const { settings, origin } = await loadSettings({
    configFile: await configFile(t, text),
    environment: surroundings(),
  });
  assert.equal(settings.compute.infoUpdateFrequency, 20_000);
  assert.deepEqual(settings.compute.allocatedCapacity.cpu, { amount: 0.5 });
  assert.deepEqual(settings.compute.allocatedCapacity.memory, { amount: 1024 ** 3 });
  assert.deepEqual(settings.node.labels, {
    Zone: 'eu',
    zone: 'us',
    version: '1.10',
    empty: '',
    answer: 'true',
  });
  assert.match(origin['node.labels'], /config\.yaml:5$/);
});

test('values stay as they were written', () => {
  assert.deepEqual(
    entries('nats: {token: 0123, user: 1e3}\nnode: {id: yes}').map(entry => entry.input),
    ['0123', '1e3', 'yes'],
  );
  assert.deepEqual(
    entries('nats:\n  token: |-\n    abc').map(entry => entry.input),
    ['abc'],
  );
});

test('a path with dots is a key too, and JSON is YAML', () => {
  assert.deepEqual(
    entries('nats.tls.caFile: /ca').map(entry => [entry.key, entry.origin]),
    [['nats.tls.caFile', 'file /c.yaml:1']],
  );
  assert.deepEqual(
    entries('{"nats": {"tls":\n {"caFile": "/ca"}}}').map(entry => entry.origin),
    ['file /c.yaml:2'],
  );
});

test('a key without a value counts as absent, but empty quotes are a value', () => {
  assert.deepEqual(entries('compute:\nnats: ~\nnode: {id: null, nameProvider: }\nlog:\n  level:'), []);
  assert.deepEqual(
    entries('node: {id: ""}').map(entry => entry.input),
    [''],
  );
  for (const text of ['', '\n', '# only this', '---\n', '~', '\ufeff'])
    assert.deepEqual(readYaml(text, '/c.yaml'), { entries: [], faults: [] });
});

test('a key that is given twice is a fault, also in another case', () => {
  assert.deepEqual(faults('log: {level: info}\nLOG:\n  format: json'), [
    '/c.yaml:2: log is set twice; the first is on line 1',
  ]);
  assert.deepEqual(faults('log:\n  level: info\n  Level: debug\nlog.LEVEL: warn'), [
    '/c.yaml:3: log.level is set twice; the first is on line 2',
    '/c.yaml:4: log.level is set twice; the first is on line 2',
  ]);
  assert.deepEqual(faults('node:\n  labels:\n    a: 1\n    a: 2'), [
    '/c.yaml:4: node.labels: the same name is in it twice; allowed: once',
  ]);
});

test('a fault about an unknown key names the nearest key, by its path or by its last name', () => {
  const nearest = (text: string) => faults(text).map(fault => fault.replace(/^.* is not a setting; /, ''));
  assert.deepEqual(nearest('compute: {heartbeat_frequencies: 1s}'), [
    'did you mean compute.heartbeatFrequency?',
  ]);
  assert.deepEqual(nearest('nodeDisconectedAfter: 1s'), ['did you mean requester.nodeDisconnectedAfter?']);
  assert.deepEqual(nearest('labels: {a: b}'), ['did you mean node.labels?']);
  // A key of another group is not suggested: a user of the API is not the user of NATS.
  assert.deepEqual(nearest('API: {user: x}'), ['"muster config show" lists the settings']);
  assert.deepEqual(nearest('Orchestrator: {Port: 1}'), ['"muster config show" lists the settings']);
  assert.deepEqual(nearest('heartbeatTopic: x'), ['"muster config show" lists the settings']);
  assert.deepEqual(faults('__proto__: {x: 1}\nconstructor: 1').length, 2);
  assert.deepEqual(faults('"a\\u001b[31m\\n": 1'), [
    '/c.yaml:1: a\\u001b[31m\\u000a is not a setting; "muster config show" lists the settings',
  ]);
});

test('a missing space after a colon is reported', () => {
  assert.deepEqual(faults('{log:info}'), ['/c.yaml:1: log needs a space after its colon']);
});

test('values in the wrong place are refused with their line', () => {
  assert.deepEqual(faults('- a'), ['/c.yaml:1: the file must hold lines like "key: value"']);
  assert.deepEqual(faults('hello'), ['/c.yaml:1: the file must hold lines like "key: value"']);
  assert.deepEqual(faults('nats:\n  tls: true'), [
    '/c.yaml:2: nats.tls is a group of settings; allowed in it: caFile, certFile, keyFile, handshakeFirst',
  ]);
  assert.deepEqual(faults('nats:\n  servers:\n    - a\n    - [b]'), [
    '/c.yaml:4: nats.servers: a group or a list is not allowed here; allowed: one value',
  ]);
  assert.deepEqual(faults('log:\n  level: &a info\n  format: *a'), [
    '/c.yaml:2: log.level: an anchor is not allowed here; put a value that begins with & in quotes',
    '/c.yaml:3: log.format: an alias is not allowed here; put a value that begins with * in quotes',
  ]);
});

test('a fault about broken YAML names the line and says what is wrong', () => {
  const cases: [string, string][] = [
    ['log:\n\tlevel: info', '2: not valid YAML: a tab is used for indentation; use spaces'],
    [
      'log: {level: info',
      '1: not valid YAML: the indentation does not fit the lines around it, or a bracket is not closed',
    ],
    [
      'a: 1\nlog: level: info',
      '2: not valid YAML: there are two "key: value" pairs on one line; put a value that holds a colon in quotes',
    ],
    ['a: 1\nb: "x', '2: not valid YAML: a quotation mark, bracket, comma, colon or space is missing'],
    ['a: 1\n---\nb: 2', '2: not valid YAML: a second document begins here; allowed: one'],
    ['a: !x 1', '1: not valid YAML: tags (!name) are not allowed; put a value that begins with ! in quotes'],
    ['a: @x', '1: not valid YAML: a value begins with a reserved character; put it in quotes'],
    ['? [a]\n: 1', '1: not valid YAML: a key is not plain text'],
    [
      'a: "\\q"',
      '1: not valid YAML: a backslash in double quotes begins an unknown escape; double it, or use single quotes',
    ],
    [
      'log:\n  level:info\n  format: json',
      '2: not valid YAML: a line is not "key: value"; is the space after its colon missing?',
    ],
  ];
  for (const [text, expected] of cases) assert.equal(faults(text)[0], `/c.yaml:${expected}`);
});

test('aliases and brackets that would expand without end are refused', () => {
  const levels = Array.from(
    { length: 20 },
    (_, i) =>
      `x${i}: &x${i} [${Array(10)
        .fill(`*x${i - 1}`)
        .join()}]`,
  );
  assert.ok(faults(`a: &x-1 b\n${levels.join('\n')}\nnode: {labels: *x19}`).length > 20);
  for (const text of [
    '['.repeat(20_000),
    '{log: '.repeat(20_000),
    '- '.repeat(20_000),
    `node: {labels: ${'['.repeat(20_000)}`,
  ]) {
    const found = faults(text);
    assert.ok(found.length >= 1 && found.length <= 3, String(found.length));
  }
});

test('any file gives settings, or faults with line numbers, and never a crash', () => {
  const word = fc.constantFrom(
    ...settingKeys.flatMap(key => key.split('.')),
    'x',
    'null',
    '15s',
    '"',
    "'",
    '*a',
    '&a',
    '!t',
    '<<',
    '|',
    '>',
    '%YAML 1.1',
    '---',
    '\ufeff',
  );
  const glue = fc.constantFrom(
    ': ',
    ':',
    '\n',
    '\n  ',
    '\n\t',
    ', ',
    ' [',
    ']',
    ' {',
    '}',
    '- ',
    ' #',
    '? ',
    '\r\n',
    '\0',
    '\ud800',
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(fc.oneof(word, glue), { maxLength: 60 }).map(parts => parts.join('')),
  );
  fc.assert(
    fc.property(text, given => {
      for (const line of faults(given)) assert.match(line, /^\/c\.yaml:\d+: [^\u0000-\u001f\u007f-\u009f]+$/);
    }),
    { numRuns: 2000 },
  );
});

test('loading any file gives settings or bad_config', async t => {
  const value = fc.oneof(
    { depthSize: 'small' },
    fc.jsonValue(),
    fc.constantFrom('15s', '10GB', '80%', 'a=b'),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(fc.constantFrom(...settingKeys, 'compute', 'nats'), value),
      async content => {
        const path = await configFile(t, JSON.stringify(content));
        const loaded = loadSettings({ configFile: path, environment: surroundings() });
        for (const line of await loaded.then(
          () => [],
          () => faultsOf(loaded),
        ))
          assert.ok(line.startsWith(`${path}:1: `), line);
      },
    ),
    { numRuns: 200 },
  );
});

test('only the first 50 misspelled keys get a suggestion, because a file of 1 MiB would take seconds', () => {
  const lines = Array.from({ length: 60 }, (_, index) => `compute.hartbeatTopic${index % 10}: x`);
  const { faults } = readYaml(lines.join('\n'), '/c.yaml');
  const suggested = faults.map(fault => fault.includes('did you mean compute.heartbeatTopic?'));
  assert.deepEqual(
    suggested,
    Array.from({ length: 60 }, (_, index) => index < 50),
  );
});
