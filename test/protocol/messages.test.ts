// Any request that a peer may send is read back whole, as Go reads JSON, with muster's members beside Bacalhau's.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type * as v from 'valibot';
import { parseJson, writeJson } from '../../agent/protocol/json.ts';
import {
  leaveRequestSchema,
  registerRequestSchema,
  updateResourcesRequestSchema,
} from '../../agent/protocol/messages.ts';
import { validate } from '../../agent/protocol/schema.ts';
import { capture } from '../support/captures.ts';
import { pathsOf, valueAt, withoutMember, withValue } from '../support/json-paths.ts';
import { leaves, registers, updateResourcesMessages } from '../support/messages.ts';
import { refuses } from '../support/refusal.ts';

const decode = <T extends v.GenericSchema>(schema: T, text: string) =>
  validate(schema, parseJson(Buffer.from(text)));
const register = capture('bprotocol/RegisterNode/v1');
const registerWith = (muster: unknown) => ({ ...(register.decoded as object), Muster: muster });

// The members that muster adds to Bacalhau's messages.
const sender = { Version: '0.1.0', ClusterID: 'c-1', Session: 's-1', Instance: 'i-1', BootID: 'b-1' };
const more = {
  Hostname: 'worker-7',
  Host: {
    Kernel: '6.12.0',
    OS: 'Debian GNU/Linux 13 (trixie)',
    CPUModel: 'AMD EPYC',
    CPUs: 8,
    Memory: 8_589_934_592,
    Disk: 100_000_000_000,
    Virtualisation: 'kvm',
  },
  Agent: { Version: '0.1.0' },
};

describe('any message is read back', () => {
  const roundTrips = <T>(messages: fc.Arbitrary<T>, schema: v.GenericSchema) =>
    fc.assert(
      fc.property(messages, message => {
        const text = writeJson(message);
        fc.pre(Buffer.byteLength(text) <= 65_536);
        const read = decode(schema, text);
        assert.deepEqual(read, message);
        // A message that was read is written in one fixed order, so that equal messages have equal bytes.
        assert.equal(writeJson(decode(schema, writeJson(read))), writeJson(read));
      }),
    );

  test('Register and UpdateNodeInfo', () => roundTrips(registers, registerRequestSchema));
  test('UpdateResources', () => roundTrips(updateResourcesMessages, updateResourcesRequestSchema));
  test('Leave', () => roundTrips(leaves, leaveRequestSchema));
});

describe('what muster adds', () => {
  test("to a register request: `Muster` beside `Info`, after Bacalhau's bytes", () => {
    const { Info: info } = register.decoded as { Info: object };
    const message = validate(registerRequestSchema, { Info: { ...info, ...more }, Muster: sender });
    assert.deepEqual(message, { Info: { ...info, ...more }, Muster: sender });
    const bacalhau = register.bytes.toString().slice(0, -2);
    assert.ok(writeJson(message).startsWith(`${bacalhau},"Hostname":"worker-7","Host":{"Kernel":`));
    assert.ok(
      writeJson(message).endsWith(`,"Agent":{"Version":"0.1.0"}},"Muster":${JSON.stringify(sender)}}`),
    );
  });

  test('to UpdateResources: `Usage` and `Muster`', () => {
    const bare = capture('bprotocol/UpdateResources/v1');
    const ours = { Usage: { CPU: 1.5, Memory: 7, Disk: 8, Load: 0.25 }, Muster: sender };
    const message = validate(updateResourcesRequestSchema, { ...(bare.decoded as object), ...ours });
    assert.equal(
      writeJson(message),
      `${bare.bytes.toString().slice(0, -1)},${JSON.stringify(ours).slice(1)}`,
    );
  });

  test('to Leave: `Muster`', () => {
    const text = `{"NodeID":"n-1","Reason":"stopped","Muster":${JSON.stringify(sender)}}`;
    assert.equal(writeJson(decode(leaveRequestSchema, text)), text);
    assert.deepEqual(decode(leaveRequestSchema, '{"NodeID":"n-1"}'), { NodeID: 'n-1', Reason: '' });
  });

  test('is absent when a Bacalhau node sends', () => {
    const message = decode(registerRequestSchema, register.bytes.toString());
    for (const name of ['Hostname', 'Host', 'Agent']) assert.equal(name in message.Info, false, name);
    assert.equal('Muster' in message, false);
    assert.equal('Muster' in validate(registerRequestSchema, registerWith(null)), false);
  });

  test('may have more members in a later version, which are ignored', () => {
    const later = { ...sender, Key: 'N…', Signature: '…', Nested: { a: [1] } };
    assert.deepEqual(validate(registerRequestSchema, registerWith(later)).Muster, sender);
  });
});

describe('messages are read as Go reads JSON', () => {
  const paths = pathsOf(register.decoded);
  const expected = validate(registerRequestSchema, register.decoded);

  test('names of members match in any case, while the keys of a map keep theirs', () => {
    const recase = (value: unknown, fold: (name: string) => string): unknown => {
      if (Array.isArray(value)) return value.map(each => recase(each, fold));
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(
        Object.entries(value).map(([name, inner]) => [
          fold(name),
          name === 'Labels' ? inner : recase(inner, fold),
        ]),
      );
    };
    fc.assert(
      fc.property(fc.infiniteStream(fc.boolean()), upper => {
        const fold = (name: string) =>
          [...name].map(c => (upper.next().value ? c.toUpperCase() : c.toLowerCase())).join('');
        assert.deepEqual(validate(registerRequestSchema, recase(register.decoded, fold)), expected);
      }),
    );
  });

  test('the exact name counts before another spelling, wherever it stands', () => {
    for (const text of ['{"nodeid":"b","NodeID":"a"}', '{"NodeID":"a","nodeid":"b"}'])
      assert.equal(decode(leaveRequestSchema, text).NodeID, 'a', text);
  });

  test('unknown members are ignored at every level', () => {
    const containers = paths.filter(path => {
      const value = valueAt(register.decoded, path);
      return typeof value === 'object' && !Array.isArray(value) && path.at(-1) !== 'Labels';
    });
    assert.ok(containers.length > 5);
    for (const path of [[], ...containers]) {
      const changed = withValue(register.decoded, [...path, 'Unknown'], { NodeID: 5 });
      assert.deepEqual(validate(registerRequestSchema, changed), expected, path.join('.'));
    }
  });

  test('`__proto__` and `constructor` are unknown members', () => {
    const evil = { polluted: true, NodeID: 5, CPU: 'x' };
    for (const path of [[], ...paths]) {
      const value = valueAt(register.decoded, path);
      if (typeof value !== 'object' || Array.isArray(value) || path.at(-1) === 'Labels') continue;
      for (const name of ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty']) {
        const text = JSON.stringify(withValue(register.decoded, [...path, name], evil));
        assert.ok(text.includes(`"${name}":{"polluted"`));
        assert.deepEqual(decode(registerRequestSchema, text), expected, `${path.join('.')}.${name}`);
      }
    }
    assert.equal('polluted' in {}, false);
  });

  test('`__proto__` and `constructor` may be labels', () => {
    const labels = '{"__proto__":"a","constructor":"b","prototype":"c","Zone":"d","zone":"e"}';
    const text = register.bytes.toString().replace(/"Labels":\{[^}]*\}/, `"Labels":${labels}`);
    const read = decode(registerRequestSchema, text);
    assert.equal(writeJson(read), text);
    assert.equal(Object.getPrototypeOf(read.Info.Labels), Object.prototype);
    refuses(
      () => decode(registerRequestSchema, text.replace('"__proto__":"a"', '"__proto__":{"polluted":true}')),
      'invalid_field',
      'Info.Labels.__proto__',
    );
  });

  test('null may stand for any list, map, object or value that may be missing', () => {
    const full = { Info: { ...(register.decoded as { Info: object }).Info, ...more }, Muster: sender };
    const members = pathsOf(full).filter(path => typeof path.at(-1) === 'string' && path.at(-2) !== 'Labels');
    for (const path of members) {
      const name = path.join('.');
      const asNull = withValue(full, path, null);
      const asMissing = withoutMember(full, path);
      if (name === 'Info' || name === 'Info.NodeID') {
        for (const message of [asNull, asMissing])
          refuses(() => validate(registerRequestSchema, message), 'invalid_field', 'Info.NodeID', name);
      } else if (name === 'Info.SupportedProtocols') {
        // Older versions do not send this list. Null and absent must stay different, to be written as they were read.
        assert.equal(validate(registerRequestSchema, asNull).Info.SupportedProtocols, null);
        assert.equal('SupportedProtocols' in validate(registerRequestSchema, asMissing).Info, false);
      } else {
        assert.deepEqual(
          validate(registerRequestSchema, asNull),
          validate(registerRequestSchema, asMissing),
          name,
        );
      }
    }
    const leave = validate(leaveRequestSchema, { NodeID: 'n-1', Reason: null, Muster: null });
    assert.deepEqual(leave, { NodeID: 'n-1', Reason: '' });
    const update = validate(updateResourcesRequestSchema, { NodeID: 'n-1', Usage: null, Muster: null });
    assert.deepEqual(update, { NodeID: 'n-1', AvailableCapacity: {}, QueueUsedCapacity: {} });
  });

  test('null lists and maps are written as null again', () => {
    const info = '"Labels":null,"SupportedProtocols":null';
    const lists = '"ExecutionEngines":null,"Publishers":null,"StorageSources":null';
    const text = register.bytes
      .toString()
      .replace(/"Labels":.*?"\]/, info)
      .replace(/"ExecutionEngines":.*?"StorageSources":\[.*?\]/, lists);
    assert.ok(text.includes(info) && text.includes(lists));
    assert.equal(writeJson(decode(registerRequestSchema, text)), text);
  });

  test('the smallest register request that an orchestrator accepts', () => {
    const resources = '"MaxCapacity":{},"QueueCapacity":{},"AvailableCapacity":{},"MaxJobRequirements":{}';
    assert.equal(
      writeJson(decode(registerRequestSchema, '{"Info":{"NodeID":"n-min","NodeType":"Compute"}}')),
      '{"Info":{"NodeID":"n-min","NodeType":"Compute","Labels":null,"ComputeNodeInfo":{"ExecutionEngines":null,' +
        `"Publishers":null,"StorageSources":null,${resources},"RunningExecutions":0,"EnqueuedExecutions":0},` +
        '"BacalhauVersion":{"GitVersion":"","GitCommit":"","BuildDate":"0001-01-01T00:00:00Z","GOOS":"","GOARCH":""}}}',
    );
  });
});
