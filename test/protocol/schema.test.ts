// Each member of a message has a type and a limit, and a refusal names the member.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type * as v from 'valibot';
import { ProtocolError } from '../../agent/protocol/error.ts';
import { parseJson } from '../../agent/protocol/json.ts';
import {
  heartbeatSchema,
  leaveRequestSchema,
  registerRequestSchema,
  updateResourcesRequestSchema,
} from '../../agent/protocol/messages.ts';
import { nodeStateSchema } from '../../agent/protocol/node-state.ts';
import { nodeIdPattern, validate } from '../../agent/protocol/schema.ts';
import { capture } from '../support/captures.ts';
import { type Path, pathsOf, valueAt, withValue } from '../support/json-paths.ts';
import { jsonValues, nodeIds, unit } from '../support/messages.ts';
import { attempt, refuses, thrownBy } from '../support/refusal.ts';

const register = capture('bprotocol/RegisterNode/v1').decoded;
const resources = capture('bprotocol/UpdateResources/v1').decoded;
const { Info: info } = register as { Info: unknown };
const state = { Info: info, Membership: 'APPROVED', Connection: 'CONNECTED' };
const pathOf = (name: string): Path => name.split('.').map(key => (/^\d+$/.test(key) ? Number(key) : key));

/** Each schema, with a message that it accepts, the limits of its texts, and its members that are whole numbers. */
const schemas: Record<
  string,
  { schema: v.GenericSchema; message: unknown; texts: Record<string, number>; counts: string[] }
> = {
  Register: {
    schema: registerRequestSchema,
    message: register,
    texts: {
      'Info.Labels.env': 1024,
      'Info.SupportedProtocols.0': 64,
      'Info.ComputeNodeInfo.ExecutionEngines.1': 256,
      'Info.ComputeNodeInfo.Publishers.0': 256,
      'Info.ComputeNodeInfo.StorageSources.0': 256,
      'Info.ComputeNodeInfo.address': 256,
      'Info.ComputeNodeInfo.MaxCapacity.GPUs.0.Name': 256,
      'Info.ComputeNodeInfo.MaxCapacity.GPUs.0.Vendor': 64,
      'Info.ComputeNodeInfo.MaxCapacity.GPUs.0.PCIAddress': 64,
      'Info.BacalhauVersion.Major': 32,
      'Info.BacalhauVersion.Minor': 32,
      'Info.BacalhauVersion.GitVersion': 128,
      'Info.BacalhauVersion.GitCommit': 128,
      'Info.BacalhauVersion.GOOS': 32,
      'Info.BacalhauVersion.GOARCH': 32,
      'Info.Hostname': 255,
      'Info.Host.Kernel': 256,
      'Info.Host.OS': 256,
      'Info.Host.CPUModel': 256,
      'Info.Host.Virtualisation': 64,
      'Info.Agent.Version': 64,
      'Muster.Version': 64,
      'Muster.ClusterID': 128,
      'Muster.Session': 128,
      'Muster.Instance': 128,
      'Muster.BootID': 128,
    },
    counts: [
      'Info.ComputeNodeInfo.MaxCapacity.Memory',
      'Info.ComputeNodeInfo.QueueCapacity.Disk',
      'Info.ComputeNodeInfo.AvailableCapacity.GPU',
      'Info.ComputeNodeInfo.MaxJobRequirements.GPUs.0.Index',
      'Info.ComputeNodeInfo.MaxCapacity.GPUs.0.Memory',
      'Info.Host.CPUs',
      'Info.Host.Memory',
      'Info.Host.Disk',
    ],
  },
  UpdateResources: {
    schema: updateResourcesRequestSchema,
    message: resources,
    texts: { 'AvailableCapacity.GPUs.0.Name': 256, 'Muster.Session': 128 },
    counts: ['AvailableCapacity.Memory', 'QueueUsedCapacity.Disk', 'Usage.Memory', 'Usage.Disk'],
  },
  Leave: { schema: leaveRequestSchema, message: { NodeID: 'n-1' }, texts: { Reason: 256 }, counts: [] },
  Heartbeat: { schema: heartbeatSchema, message: { NodeID: 'n-1' }, texts: {}, counts: ['Sequence'] },
  NodeState: {
    schema: nodeStateSchema,
    message: state,
    texts: {
      'ConnectionState.LastError': 1024,
      'Muster.Session': 128,
      'Muster.Instance': 128,
      'Muster.BootID': 128,
      'Muster.Version': 64,
      'Muster.Operation': 64,
    },
    counts: ['ConnectionState.LastComputeSeqNum', 'ConnectionState.LastOrchestratorSeqNum'],
  },
};

for (const [name, { schema, message, texts, counts }] of Object.entries(schemas)) {
  describe(name, () => {
    const reading = (field: string, value: unknown) => () =>
      validate(schema, withValue(message, pathOf(field), value));

    test('accepts the message', () => assert.ok(validate(schema, message)));

    for (const [field, limit] of Object.entries(texts)) {
      test(`${field}: at most ${limit} characters of text`, () => {
        const longest = 'x'.repeat(limit);
        assert.equal(valueAt(reading(field, longest)(), pathOf(field)), longest);
        for (const value of [`${longest}x`, 5, true, {}, [], ['x'], { length: 1 }])
          refuses(reading(field, value), 'invalid_field', field, `${field} = ${JSON.stringify(value)}`);
      });
    }

    for (const field of counts) {
      test(`${field}: a whole number from 0 to 2^53-1`, () => {
        for (const value of [1, Number.MAX_SAFE_INTEGER])
          assert.equal(valueAt(reading(field, value)(), pathOf(field)), value);
        const texts = ['-1', '1.5', '1e21', '9007199254740992', '1e999', '"1"', 'true', '[]', '{}', '[1]'];
        for (const text of texts)
          refuses(reading(field, JSON.parse(text)), 'invalid_field', field, `${field} = ${text}`);
      });
    }

    // A value of another kind stands in the place of a member. If it is refused, the refusal must name that member.
    test('names the member that is wrong', () => {
      const paths = pathsOf(message);
      fc.assert(
        fc.property(fc.constantFrom(...paths), jsonValues(2), (path, value) => {
          const outcome = attempt(() => validate(schema, withValue(message, path, value)));
          if (!(outcome instanceof ProtocolError)) return;
          assert.equal(outcome.fault, 'invalid_field');
          const at = path.join('.');
          assert.ok(`${outcome.field}.`.startsWith(`${at}.`), `${outcome.field} is not ${at}`);
        }),
        { numRuns: 500 },
      );
    });

    test('accepts only objects', () => {
      for (const value of [5, 'x', true, [], [message]]) {
        const error = refuses(() => validate(schema, value), 'invalid_field', '', JSON.stringify(value));
        assert.equal(error.message, 'expected an object');
      }
    });
  });
}

test('CPU and load are numbers with or without a fraction, and not negative', () => {
  for (const field of ['AvailableCapacity.CPU', 'QueueUsedCapacity.CPU', 'Usage.CPU', 'Usage.Load']) {
    const reading = (text: string) => () =>
      validate(updateResourcesRequestSchema, withValue(resources, pathOf(field), JSON.parse(text)));
    for (const text of ['6.4', '1', '1e-7', '1e21'])
      assert.equal(valueAt(reading(text)(), pathOf(field)), Number(text), field);
    for (const text of ['-0.1', '1e999', '"6.4"', 'true', '[6.4]'])
      refuses(reading(text), 'invalid_field', field, `${field} = ${text}`);
  }
});

test('executions are whole numbers of either sign, as in Go', () => {
  for (const name of ['RunningExecutions', 'EnqueuedExecutions']) {
    const field = `Info.ComputeNodeInfo.${name}`;
    const reading = (value: unknown) => () =>
      validate(registerRequestSchema, withValue(register, pathOf(field), value));
    assert.equal(reading(-3)().Info.ComputeNodeInfo[name as 'RunningExecutions'], -3);
    for (const value of [0.5, '1', false]) refuses(reading(value), 'invalid_field', field);
  }
});

test('an error says briefly what is wrong', () => {
  const error = thrownBy(
    () => validate(leaveRequestSchema, { NodeID: 'n-1', Reason: { ['k'.repeat(9999)]: 1 } }),
    'Leave',
  );
  assert.equal(error.message, 'Reason: Invalid type: Expected string but received Object');
  const long = thrownBy(
    () => validate(heartbeatSchema, { NodeID: 'n', Sequence: 'x'.repeat(9999) }),
    'Heartbeat',
  );
  assert.ok(long.message.length < 220);
});

describe('lists and maps have limits', () => {
  const lists: [string, number, unknown][] = [
    ['Info.SupportedProtocols', 16, 'x'],
    ['Info.ComputeNodeInfo.ExecutionEngines', 256, 'x'],
    ['Info.ComputeNodeInfo.Publishers', 256, 'x'],
    ['Info.ComputeNodeInfo.StorageSources', 256, 'x'],
    ['Info.ComputeNodeInfo.MaxCapacity.GPUs', 256, { Index: 1 }],
  ];
  for (const [field, limit, item] of lists) {
    test(`${field}: ${limit} items`, () => {
      const reading = (value: unknown) => () =>
        validate(registerRequestSchema, withValue(register, pathOf(field), value));
      assert.ok(reading(Array(limit).fill(item))());
      refuses(reading(Array(limit + 1).fill(item)), 'invalid_field', field);
      for (const value of ['x', 5, { 0: item }]) refuses(reading(value), 'invalid_field', field);
    });
  }

  const labels = (value: unknown) => () =>
    validate(registerRequestSchema, withValue(register, ['Info', 'Labels'], value));

  test('Info.Labels: 256 keys of 256 characters', () => {
    const keys = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, '']));
    assert.deepEqual(labels(keys(256))().Info.Labels, keys(256));
    refuses(labels(keys(257)), 'invalid_field', 'Info.Labels');
    const longest = 'k'.repeat(256);
    assert.deepEqual(labels({ [longest]: 'v' })().Info.Labels, { [longest]: 'v' });
    const error = thrownBy(labels({ [`${longest}k`]: 'v' }), 'a long key');
    assert.ok(error.field.startsWith('Info.Labels.kkk') && error.field.length <= 200, error.field);
  });

  test('Info.Labels: an object of texts', () => {
    for (const value of [[], ['x'], 'x', 5, true]) refuses(labels(value), 'invalid_field', 'Info.Labels');
    for (const value of [null, 5, {}, [], true])
      refuses(labels({ ok: 'x', zone: value }), 'invalid_field', 'Info.Labels.zone');
  });
});

describe('a node id', () => {
  const bad = [
    '',
    ' ',
    'n 1',
    ' n-1',
    'n-1 ',
    'n-1\n',
    'n.1',
    '.',
    '*',
    '>',
    'n*',
    'n>',
    'n/1',
    'n=1',
    'n\u00001',
    'n\u2028',
    'nœud',
    'ｎ１',
    'n😀',
    '$SYS',
    '$&',
    '../n',
    'n:1',
    'n'.repeat(129),
  ];
  const places: [string, v.GenericSchema, unknown][] = [
    ['Info.NodeID', registerRequestSchema, register],
    ['Info.NodeID', nodeStateSchema, state],
    ['NodeID', updateResourcesRequestSchema, resources],
    ['NodeID', leaveRequestSchema, {}],
    ['NodeID', heartbeatSchema, {}],
  ];

  for (const [field, schema, message] of places) {
    test(`${field}: one token of a subject`, () => {
      for (const id of [...bad, null, 5, {}, [], ['n-1']])
        refuses(
          () => validate(schema, withValue(message, pathOf(field), id)),
          'invalid_field',
          field,
          `${id}`,
        );
      fc.assert(
        fc.property(nodeIds, id => {
          assert.equal(valueAt(validate(schema, withValue(message, pathOf(field), id)), pathOf(field)), id);
        }),
      );
    });
  }

  test('a missing id is named too', () => {
    refuses(() => validate(heartbeatSchema, { Sequence: 1 }), 'invalid_field', 'NodeID');
    refuses(() => validate(registerRequestSchema, {}), 'invalid_field', 'Info.NodeID');
    refuses(
      () => validate(registerRequestSchema, parseJson(Buffer.from('null'))),
      'invalid_field',
      'Info.NodeID',
    );
  });

  test('any text of 1 to 128 letters, digits, _ and - is accepted, and no other', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit }), fc.string(), nodeIds), id => {
        const allowed = id.length >= 1 && id.length <= 128 && [...id].every(c => /[\w-]/.test(c));
        assert.equal(nodeIdPattern.test(id), allowed);
      }),
    );
  });
});
