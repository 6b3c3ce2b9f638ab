// The JSON Schema accepts and refuses the same values as the loader.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { parse, stringify } from 'yaml';
import { settingKeys, settingOf } from '../../agent/config/keys.ts';
import { Refusal } from '../../agent/config/kind.ts';
import { sampleConfig } from '../../agent/config/sample.ts';
import { configSchema } from '../../agent/config/schema.ts';
import type { SettingKey } from '../../agent/config/settings.ts';
import { parseDuration, parseSize } from '../../agent/config/units.ts';
import { readYaml } from '../../agent/config/yaml.ts';

const ajv = new Ajv({ strict: true, allowUnionTypes: true, strictTypes: false });
ajv.addKeyword('patternErrorMessage');
const validate = ajv.compile(configSchema());

/** Returns whether the schema accepts `value`, as YAML 1.2 reads the file. */
const schemaAccepts = (text: string): boolean => validate(parse(text));

/** Returns whether the loader accepts the file, with each setting by itself. */
function loaderAccepts(text: string): boolean {
  const { entries, faults } = readYaml(text, '/etc/muster/config.yaml');
  return faults.length === 0 && entries.every(({ key, input }) => isRead(key, input));
}

function isRead(
  key: SettingKey,
  input: Parameters<ReturnType<typeof settingOf>['type']['read']>[0],
): boolean {
  try {
    settingOf(key).type.read(input, { folder: '/', home: '/home/me' });
    return true;
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}

function nested(key: string, value: unknown): unknown {
  return key.split('.').reduceRight((inner, name) => ({ [name]: inner }), value);
}

function compare(key: SettingKey, value: unknown): void {
  const text = stringify(nested(key, value), { lineWidth: 0, version: '1.2' });
  assert.equal(schemaAccepts(text), loaderAccepts(text), text);
}

const keysOf = (kind: string) => settingKeys.filter(key => settingOf(key).type.name === kind);
const withBlanks = (text: fc.Arbitrary<string>) =>
  fc
    .tuple(fc.constantFrom('', '', '', ' ', '\t', '\u00a0 '), text, fc.constantFrom('', '', '', ' ', '\n'))
    .map(parts => parts.join(''));
const decimal = fc.constantFrom(
  '0',
  '1',
  '9',
  '12',
  '100',
  '101',
  '099',
  '0100',
  '1.5',
  '1.',
  '.5',
  '1.2345',
  '100.0',
  '100.5',
  '1000000',
  '9999',
  '10000',
  '-1',
  '+1',
  '1e3',
  '٣',
);
/** Generates up to five of `pieces` in a row. Such text is nearly right. */
const strung = (...pieces: string[]) =>
  fc.array(fc.constantFrom(...pieces), { maxLength: 5 }).map(parts => parts.join(''));

/** Texts for each kind, by name: right, nearly right, and random ones. */
const texts: Record<string, fc.Arbitrary<string>> = {
  duration: fc
    .array(fc.tuple(decimal, fc.constantFrom('h', 'm', 's', 'ms', '', 'S', 'd')), { maxLength: 3 })
    .map(parts => parts.flat().join('')),
  time: fc
    .array(fc.tuple(decimal, fc.constantFrom('d', 'h', 'm', 's', '', 'D')), { maxLength: 3 })
    .map(parts => parts.flat().join('')),
  number: decimal,
  port: fc.oneof(decimal, fc.integer({ min: 0, max: 70_000 }).map(String)),
  boolean: fc.constantFrom('true', 'false', 'TRUE', 'False', 'tRuE', 'yes', 'on', '1', 'truefalse'),
  choice: fc.constantFrom(
    'puuid',
    'aws',
    'AWS',
    'info',
    'Info',
    'trace',
    'auto',
    'json',
    'jsonx',
    'puuid,uuid',
  ),
  text: strung('a', 'A', '1', '-', '_', '.', ' ', '\u001b', 'é', '😀', 'x'.repeat(128), 'y'.repeat(254)),
  path: strung('/', '~', '~/', 'a', ' ', '.', 'é', '\u0000', '\n', '😀', 'x'.repeat(4095)),
  secret: strung('s', ' ', '\t', '"', '😀', '<redacted>', 'x'.repeat(4095), '\u007f'),
  pins: strung(',', ', ', 'a'.repeat(43), 'a'.repeat(42), 'A', '-', '_', '=', '+', ' ', '\n', 'é'),
  keys: strung(
    'UCFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVZ45L',
    'UCATS5YOVB6ROX2WUNKGNQ2MP3GMXDMKSG2O4N5CLX3A6W4PZGZZJPJO',
    'ucfiry65oqe7dfp5klns2pf2lvzmuzyjx4ozieq36n2iqanub5xvz45l',
    'U',
    ',',
    ' , ',
    '1',
  ),
  account: strung(`A${'B'.repeat(55)}`, `A${'2'.repeat(54)}`, 'A', 'N', '7', '1', 'a', ' ', '\n', 'é'),
  address: fc.oneof(
    strung(
      'a',
      'eth0',
      '10',
      '.',
      '10.0.0.0',
      '/',
      '8',
      '32',
      '0128',
      '::',
      'fd00::',
      '%',
      '@',
      'x'.repeat(14),
    ),
    fc.tuple(fc.oneof(fc.ipV4(), fc.ipV6()), decimal).map(parts => parts.join('/')),
    fc.ipV6(),
  ),
  host: fc.oneof(
    strung('a', 'host', '-', '_', '.', '1', '127.0.0.1', ':', '[', '%', 'é', 'x'.repeat(63)),
    fc.ipV4(),
    fc.ipV6(),
    fc.ipV6().map(text => `${text}%eth0`),
    strung('0:', ':', '::', 'ffff', '1.2.3.4', '1.2.3', '%', 'g', '12345', '256.1.1.1'),
    fc.domain(),
  ),
  subject: strung('a', 'heartbeat', '.', '{nodeId}', '{', '}', '*', '>', '$', ' ', 'é', 'x'.repeat(127)),
  subjects: strung(
    'work',
    'node',
    'a_b',
    '-1',
    '.',
    '.{nodeId}',
    '{',
    '.*',
    '.>',
    '$',
    ',',
    ' , ',
    'true',
    'é',
    'x'.repeat(127),
  ),
  allocation: fc
    .tuple(decimal, fc.constantFrom('%', ' %', '', 'm', 'GB', ' GiB', 'gib', 'B', 'X'))
    .map(parts => parts.join('')),
  size: fc
    .tuple(decimal, fc.constantFrom('GB', 'GiB', 'kib', 'PB', 'b', 'Bi', '', ' MB', '  MB'))
    .map(parts => parts.join('')),
  addresses: fc.oneof(
    strung(
      'host',
      'a.b',
      '127.0.0.1',
      '[::1]',
      '[::g]',
      '::1',
      '%eth0',
      ':',
      '4222',
      '0',
      '99999',
      ',',
      ' , ',
      '@',
    ),
    fc.ipV6().map(text => `[${text}]:4222`),
    fc.ipV6(),
  ),
  servers: fc.oneof(
    strung(
      'https://',
      'HTTPS://',
      'http://',
      'host',
      'a.b',
      '127.0.0.1',
      '[::1]',
      '[::g]',
      ':',
      ':1234',
      ':0',
      ':99999',
      '/',
      ',',
      ' , ',
      '@',
      '#',
    ),
    fc.ipV6().map(text => `[${text}]:4222`),
  ),
  list: strung(
    'nats://',
    'TLS://',
    'http://',
    'host',
    'a.b',
    '127.0.0.1',
    '[::1]',
    '[::g]',
    ':',
    '4222',
    '0',
    '99999',
    '/',
    '?',
    '#',
    ',',
    ' , ',
    '@',
    '\t',
  ),
  map: strung(
    'zone',
    'a.b/c',
    '=',
    ' = ',
    ',',
    ', ',
    '-',
    'é',
    'x',
    '😀',
    'x'.repeat(254),
    '\u0085',
    'y'.repeat(62),
  ),
};

const kinds = [...new Set(settingKeys.map(key => settingOf(key).type.name))];
const choices = (kind: string) => kind.includes(',');
const textsOf = (kind: string) =>
  texts[choices(kind) ? 'choice' : kind] ?? assert.fail(`no text for ${kind}`);

/** Returns whether the schema cannot check a text of `kind` as strictly as the loader does. See `configSchema`. */
function beyond(kind: string, text: string): boolean {
  const trimmed = text.trim();
  if (kind === 'duration') {
    const value = parseDuration(trimmed) ?? 0;
    return value < 10 || value > 7 * 24 * 3_600_000;
  }
  if (kind === 'time') {
    const value = parseDuration(trimmed) ?? 0;
    return value < 3_600_000 || value > 3650 * 24 * 3_600_000;
  }
  if (kind === 'size' || kind === 'allocation')
    return /b$/i.test(trimmed) && parseSize(trimmed) === undefined;
  // The schema cannot see that a text has the same label twice or too many items.
  if (kind === 'map') return text.split(',').filter(part => part.trim()).length > 1;
  return false;
}

test('a control character at the end of a server is refused by both, although `URL` ignores it', () => {
  compare('nats.servers', 'broker\u0000');
  assert.equal(loaderAccepts('nats:\n  servers: "broker\\0"\n'), false);
});

for (const kind of kinds) {
  test(`text of the kind ${kind}: the schema and the loader agree`, () => {
    const value = withBlanks(
      fc.oneof({ arbitrary: textsOf(kind), weight: 9 }, fc.string({ unit: 'binary' })),
    );
    for (const key of keysOf(kind)) {
      fc.assert(
        fc.property(value, text => {
          // Lone surrogates are not UTF-8, so no file has them.
          fc.pre(text.isWellFormed() && !(beyond(kind, text) && !isRead(key, text)));
          compare(key, text);
        }),
        { numRuns: 300 },
      );
    }
  });

  test(`values without quotes, of the kind ${kind}: the schema and the loader agree`, () => {
    const value = fc.oneof(
      fc.constantFrom(
        null,
        true,
        false,
        0,
        1,
        -1,
        4,
        64,
        65_535,
        65_536,
        70_000,
        9999,
        10_000,
        1_000_000,
        1_000_001,
      ),
      fc.constantFrom(0.5, 1.5, 12.125, 99.9, -0.5, 999_999.5, 1_000_000.5),
    );
    for (const key of keysOf(kind)) fc.assert(fc.property(value, value => compare(key, value)));
  });

  test(`lists and groups in place of the kind ${kind}: the schema and the loader agree`, () => {
    const text = textsOf(kind).filter(text => text.isWellFormed() && !beyond(kind, text));
    const label = fc.oneof(text, fc.constantFrom(null, 1, 1.5, true), fc.string());
    const name = fc.oneof(fc.constantFrom('zone', 'a.b/c', '-a', '', 'Zone', 'x'.repeat(64)), fc.string());
    const value = fc.oneof(
      fc.array(fc.oneof(text, fc.constant(null), fc.constant({ a: '1' }), fc.constant(['a'])), {
        maxLength: 3,
      }),
      fc.dictionary(name, label, { maxKeys: 3 }),
    );
    for (const key of keysOf(kind)) {
      fc.assert(
        fc.property(value, value => {
          fc.pre(!(Array.isArray(value) && kind === 'map' && !isUnique(value)));
          compare(key, value);
        }),
      );
    }
  });
}

/** Returns whether the labels in these texts are all different. */
function isUnique(pairs: unknown[]): boolean {
  const names = pairs.flatMap(pair => (typeof pair === 'string' ? [pair.split('=')[0]?.trim()] : []));
  return new Set(names).size === names.length;
}

test('the ends of each range are accepted, and values beyond them are refused', () => {
  const cases: [SettingKey, unknown[]][] = [
    [
      'requester.maxPending',
      [0, '0', 1_000_000, '1000000', '0001000000', 1_000_001, '1000001', '0000000000000001', -1],
    ],
    ['node.declared.cpu', [0, '0', '000', 1, '1', 65_536, '65536', 65_537, '65537', '99999']],
    ['node.declared.gpu', [0, 256, '256', 257, '257', '260', '300']],
    ['api.port', [0, 65_535, '65535', '65536', '65540', '65600', '66000', '70000', '100000']],
    [
      'compute.allocatedCapacity.cpu',
      [0, 999_999, '999999.999', '1000000', 1_000_000, -1, '999999999m', '1000000000m'],
    ],
    ['compute.allocatedCapacity.gpu', [0, 9999, 10_000, '9999', '10000', 1.5, -1, '100%', '100.001%']],
    ['compute.allocatedCapacity.memory', [0, 8, '8', '100%', '101%', '8GB']],
    ['node.id', ['x'.repeat(128), 'x'.repeat(129), 42, -42, 1.5, true]],
    [
      'nats.user',
      ['x'.repeat(256), 'x'.repeat(257), '😀'.repeat(256), '😀'.repeat(257), ` ${'x'.repeat(256)} `, ' '],
    ],
    ['nats.token', ['x'.repeat(4096), 'x'.repeat(4097), '<redacted>', '', 12_345, ' ']],
    ['dataDir', ['x'.repeat(4096), 'x'.repeat(4097), '~', '~/', '~x', '']],
    [
      'api.host',
      [
        'x'.repeat(63),
        'x'.repeat(64),
        'a.'.repeat(126),
        'a.'.repeat(127),
        '1.2.3.4',
        '1.2.3',
        '1.2.3.4.',
        '::',
        ':::',
      ],
    ],
    [
      'compute.heartbeatTopic',
      ['x'.repeat(255), 'x'.repeat(256), '{nodeId}', '{nodeId}.a', 'a.{nodeId}', '$a', 'a$'],
    ],
    [
      'broker.approved.publish',
      [
        [],
        '',
        ',',
        'a, b',
        ['a', 'work.{nodeId}.>'],
        'node',
        'nodes',
        'node-1.x',
        'a.node',
        '_a',
        '$a',
        'true',
        true,
        1,
        '*',
        'a.*',
        'a.>',
        'a.>.b',
        'a.{nodeId}.{nodeId}',
        'x'.repeat(255),
        'x'.repeat(256),
        `a,${'x'.repeat(255)}`,
      ],
    ],
    [
      'nats.servers',
      [
        [],
        '',
        ',',
        ['a', 'b:1'],
        ['a,b'],
        [null],
        'h:',
        'h:0',
        'h:65535',
        'h:65536',
        'nats://h/',
        'nats://h/x',
        ['u@h'],
      ],
    ],
    [
      'node.labels',
      [
        {},
        [],
        '',
        { a: '' },
        { a: 'x'.repeat(255) },
        { a: 'x'.repeat(256) },
        { a: '😀'.repeat(255) },
        { a: null },
        { a: {} },
      ],
    ],
  ];
  for (const [key, values] of cases) for (const value of values) compare(key, value);
  const labels = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, '1']));
  for (const count of [64, 65]) compare('node.labels', labels(count));
});

test('schema and loader agree on whole files: settings of a group, empty groups, and keys that are not settings', () => {
  const value = fc.constantFrom(null, '1s', 1, true, {}, [], 'x');
  const file = fc.dictionary(
    fc.constantFrom('compute', 'node', 'nats', 'dataDir', 'log', 'x', 'heartbeatFrequency'),
    fc.oneof(
      value,
      fc.dictionary(
        fc.constantFrom('heartbeatFrequency', 'declared', 'tls', 'level', 'id', 'x', 'token'),
        fc.oneof(value, fc.dictionary(fc.constantFrom('cpu', 'caFile', 'x'), value)),
      ),
    ),
  );
  fc.assert(
    fc.property(file, file => {
      const text = stringify(file, { aliasDuplicateObjects: false });
      assert.equal(schemaAccepts(text), loaderAccepts(text), text);
    }),
    { numRuns: 300 },
  );
  for (const text of ['', '# nothing', '~', '[]', 'x', 'compute: []', 'compute: x']) {
    assert.equal(schemaAccepts(text), loaderAccepts(text), text);
  }
});

test('the schema accepts the sample as it is, and with every line uncommented', () => {
  const text = sampleConfig('both');
  for (const file of [text, text.replace(/^( *)#(?=[A-Za-z])/gm, '$1')]) {
    assert.equal(schemaAccepts(file), true, JSON.stringify(validate.errors));
  }
});

test('a key in another case is loaded, and the schema names the one of the table', () => {
  const text = 'Compute: { HeartbeatFrequency: 5s }\n';
  assert.deepEqual([loaderAccepts(text), schemaAccepts(text)], [true, false]);
});

test('each setting says what it is, what is allowed, its default and when it takes effect', () => {
  const { compute, nats } = configSchema().properties as Record<
    string,
    { properties: Record<string, object> }
  >;
  assert.deepEqual(compute?.properties.heartbeatFrequency, {
    description:
      'time between two heartbeats of the agent\n\nAllowed: 10ms to 7d, like 1m30s. Default: 15s. Environment: MUSTER_COMPUTE_HEARTBEAT_FREQUENCY. Takes effect on reload.',
    default: '15s',
    ...settingOf('compute.heartbeatFrequency').type.schema(),
  });
  assert.deepEqual(nats?.properties.token, {
    description:
      'token for the login to NATS\n\nAllowed: 1 to 4096 characters, without line breaks and control characters. Environment: MUSTER_NATS_TOKEN. Takes effect at the next start.',
    ...settingOf('nats.token').type.schema(),
  });
});

test('no pattern takes long, even on text that is made to be slow', () => {
  const patterns = JSON.stringify(configSchema()).matchAll(/"pattern":("(?:[^"\\]|\\.)*")/g);
  for (const [, pattern] of patterns) {
    const expression = new RegExp(JSON.parse(pattern ?? ''), 'u');
    for (const unit of ['a', '1', 'a.', ' ', ',', 'a,', 'a=', 'a=b,', '0:', '::', '1.', '0h']) {
      // A pattern that backtracks without end would stop the test for ever.
      expression.test(`${unit.repeat(20_000 / unit.length)}\u0000`);
    }
  }
});
