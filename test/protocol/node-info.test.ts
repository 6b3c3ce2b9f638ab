// Tests node information: the type, times, resources, and the part that is stored.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { writeJson } from '../../agent/protocol/json.ts';
import {
  emptyComputeNodeInfo,
  goTime,
  nodeInfoSchema,
  staticInfo,
  zeroTime,
} from '../../agent/protocol/node-info.ts';
import { compactResources, resourcesSchema } from '../../agent/protocol/resources.ts';
import { validate } from '../../agent/protocol/schema.ts';
import { capture, probes } from '../support/captures.ts';
import { nodeInfos, times } from '../support/messages.ts';
import { refuses } from '../support/refusal.ts';

const { Info: info } = capture('bprotocol/RegisterNode/v1').decoded as { Info: Record<string, unknown> };
const typed = (NodeType: unknown) => validate(nodeInfoSchema, { ...info, NodeType }).NodeType;

describe('the type', () => {
  test('is read in any case, with blanks trimmed', () => {
    for (const name of ['Compute', 'compute', ' COMPUTE\t']) assert.equal(typed(name), 'Compute');
    for (const name of ['Requester', 'requester', 'REQUESTER ']) assert.equal(typed(name), 'Requester');
  });

  // A message without a type is read, and a message with a bad type is refused as a whole, as Bacalhau does it.
  test('may be missing, so that the answer can say that the node is not a compute node', () => {
    assert.match(probes.get('handshake missing type') ?? '', /"reason":"node is not a compute node"/);
    assert.equal(typed(undefined), '');
    assert.equal(typed(null), '');
  });

  test('is refused when it is anything else', () => {
    assert.match(probes.get('handshake bad type') ?? '', /invalid node type: nodeTypeUndefined/);
    const others = ['nodeTypeUndefined', 'Computer', ' ', 'constructor', '__proto__', 1, {}, ['Compute']];
    for (const other of others) refuses(() => typed(other), 'invalid_field', 'NodeType', `${other}`);
    const error = refuses(() => typed('Computer'), 'invalid_field', 'NodeType');
    assert.equal(error.message, 'NodeType: a node type is Compute or Requester');
  });
});

describe('a time', () => {
  const reading = (time: unknown) => () => validate(goTime(), time);

  test('is in RFC 3339, up to nanoseconds, at any offset', () => {
    const good = [
      zeroTime,
      '2026-11-24T06:48:30.106979695Z',
      '2026-11-24T06:48:30.1+05:30',
      '2024-02-29T23:59:59-11:00',
      '2000-02-29T00:00:00Z',
      '9999-12-31T23:59:59.999999999+23:59',
    ];
    for (const time of good) assert.equal(reading(time)(), time);
    fc.assert(fc.property(times, time => reading(time)() === time));
  });

  test('that Go would refuse is refused, because it would spoil the whole record', () => {
    const bad = [
      '',
      'yesterday',
      '2026-11-24',
      '2026-11-24 06:48:30Z',
      '2026-11-24T06:48:30',
      '2026-11-24t06:48:30z',
      '2026-11-24T6:48:30Z',
      '2026-11-24T06:48:30.Z',
      '2026-11-24T06:48:30.1234567890Z',
      '2026-11-24T06:48:30+0530',
      '2026-00-24T06:48:30Z',
      '2026-13-24T06:48:30Z',
      '2026-11-00T06:48:30Z',
      '2026-11-31T06:48:30Z',
      '2026-11-32T06:48:30Z',
      '2026-02-29T06:48:30Z',
      '1900-02-29T06:48:30Z',
      '2026-11-24T24:00:00Z',
      '2026-11-24T06:60:30Z',
      '2026-11-24T06:48:60Z',
      '2026-11-24T06:48:30+24:00',
      '2026-11-24T06:48:30+05:60',
      '+12026-11-24T06:48:30Z',
      '2026-11-24T06:48:30Z\n',
      ' 2026-11-24T06:48:30Z',
      'x'.repeat(65),
      1_795_503_699_320,
    ];
    for (const time of bad) refuses(reading(time), 'invalid_field', '', `${time}`);
    const error = refuses(
      () => validate(nodeInfoSchema, { ...info, BacalhauVersion: { BuildDate: '2026-02-29T00:00:00Z' } }),
      'invalid_field',
      'BacalhauVersion.BuildDate',
    );
    assert.equal(error.message, 'BacalhauVersion.BuildDate: not an RFC 3339 time');
  });
});

describe('resources', () => {
  test('zero and empty members are not written', () => {
    const zero = { CPU: 0, Memory: 0, Disk: 0, GPU: 0, GPUs: [] };
    assert.deepEqual(compactResources(zero), {});
    assert.deepEqual(validate(resourcesSchema, zero), {});
    assert.deepEqual(validate(resourcesSchema, { GPUs: null, Memory: null }), {});
    assert.deepEqual(validate(resourcesSchema, null), {});
    assert.equal(writeJson(compactResources({ GPU: 0, Disk: 3, CPU: 0.5 })), '{"CPU":0.5,"Disk":3}');
  });

  test('the members of a GPU are always written, in order', () => {
    assert.equal(
      writeJson(validate(resourcesSchema, { GPUs: [{ Vendor: 'AMD/ATI' }, null] })),
      '{"GPUs":[{"Index":0,"Name":"","Vendor":"AMD/ATI","Memory":0,"PCIAddress":""},' +
        '{"Index":0,"Name":"","Vendor":"","Memory":0,"PCIAddress":""}]}',
    );
  });
});

describe('the part that is stored', () => {
  test('is everything except what is free, queued or running', () => {
    const all = validate(nodeInfoSchema, info);
    const kept = staticInfo(all);
    const gone = { QueueCapacity: {}, AvailableCapacity: {}, RunningExecutions: 0, EnqueuedExecutions: 0 };
    assert.deepEqual(kept, { ...all, ComputeNodeInfo: { ...all.ComputeNodeInfo, ...gone } });
    assert.notDeepEqual(kept, all);
  });

  test('changes when anything else changes', () => {
    fc.assert(
      fc.property(nodeInfos, nodeInfos, (one, other) => {
        const { QueueCapacity, AvailableCapacity, RunningExecutions, EnqueuedExecutions } =
          other.ComputeNodeInfo;
        const later = {
          ...one,
          ComputeNodeInfo: {
            ...one.ComputeNodeInfo,
            ...{ QueueCapacity, AvailableCapacity, RunningExecutions, EnqueuedExecutions },
          },
        };
        assert.equal(writeJson(staticInfo(later)), writeJson(staticInfo(one)));
        assert.deepEqual(staticInfo(staticInfo(one)), staticInfo(one));
        assert.notDeepEqual(staticInfo({ ...one, Hostname: `${one.Hostname ?? ''}x` }), staticInfo(one));
        assert.deepEqual(validate(nodeInfoSchema, staticInfo(one)), staticInfo(one));
      }),
    );
  });
});

test('a Bacalhau requester stores about itself what is read from an empty object, with an empty address', () => {
  const nothing = validate(nodeInfoSchema, { NodeID: 'n' }).ComputeNodeInfo;
  assert.equal(writeJson(emptyComputeNodeInfo), writeJson({ ...nothing, address: '' }));
});
