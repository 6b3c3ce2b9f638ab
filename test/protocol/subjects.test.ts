// Subjects are Bacalhau's own, and the node and method that are written into a subject are read from it again.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  defaultHeartbeatTopic,
  echoSubject,
  eventSubject,
  eventWildcard,
  heartbeatNodeIdPlace,
  heartbeatNodeIdReader,
  heartbeatSubject,
  heartbeatWildcard,
  isEnveloped,
  leaseSubject,
  managementMethods,
  managementSubject,
  managementWildcard,
  parseManagementSubject,
  requesterEventSubject,
} from '../../agent/protocol/subjects.ts';
import { capture, captures } from '../support/captures.ts';
import { nodeIds, unit } from '../support/messages.ts';

const node = 'n-7c1d2a34-5b6e-4f70-8a91-b2c3d4e5f607';
/** Returns the node id of a heartbeat's subject, by the numbers of bytes before and after it. */
function idByPlace(topic: string, subject: string): string | undefined {
  const place = heartbeatNodeIdPlace(topic);
  const bytes = Buffer.from(subject);
  return place && bytes.subarray(place.before, bytes.length - place.after).toString();
}

const token = fc.string({ unit: fc.constantFrom(...'abzAZ09_-'), minLength: 1, maxLength: 12 });

/** A topic that names the node by one whole token. */
const topics = fc
  .tuple(fc.array(token, { maxLength: 4 }), fc.array(token, { maxLength: 4 }))
  .map(([before, after]) => [...before, '{nodeId}', ...after].join('.'));

/** Returns whether NATS delivers `subject` to a subscription to `pattern`. */
function delivers(pattern: string, subject: string): boolean {
  const want = pattern.split('.');
  const have = subject.split('.');
  const rest = want.indexOf('>');
  const length = rest < 0 ? want.length : rest;
  const long = rest < 0 ? have.length === length : have.length > length;
  return long && want.slice(0, length).every((each, i) => each === '*' || each === have[i]);
}

describe('requests', () => {
  test('are sent on the recorded subjects', () => {
    for (const method of ['RegisterNode/v1', 'UpdateNodeInfo/v1', 'UpdateResources/v1'] as const)
      assert.equal(managementSubject(node, method), capture(`bprotocol/${method}`).subject);
    assert.equal(managementSubject('n-1', 'Leave/v1'), 'node.management.n-1.Leave/v1');
  });

  test('name the node and the method, for all of them', () => {
    fc.assert(
      fc.property(nodeIds, fc.constantFrom(...managementMethods), (nodeId, method) => {
        const subject = managementSubject(nodeId, method);
        assert.deepEqual(parseManagementSubject(subject), { nodeId, method });
        assert.ok(delivers(managementWildcard, subject));
      }),
    );
  });

  test('are not found on other subjects', () => {
    const others = [
      '',
      '.',
      '...',
      'node.management',
      'node.management.n-1',
      'node.management..RegisterNode/v1',
      'node.management.n-1.',
      'node.management.n-1.RegisterNode',
      'node.management.n-1.RegisterNode/v2',
      'node.management.n-1.registernode/v1',
      'node.management.n-1.RegisterNode/v1.more',
      'node.management.n.1.RegisterNode/v1',
      'node.management.RegisterNode/v1',
      'Node.management.n-1.RegisterNode/v1',
      'a.node.management.n-1.RegisterNode/v1',
      'node.compute.n-1.RegisterNode/v1',
      'node.management.n-1.constructor',
      'node.management.n-1.__proto__',
    ];
    for (const subject of others) assert.equal(parseManagementSubject(subject), undefined, subject);
    for (const { name, subject } of captures) {
      const isRequest = /\/(RegisterNode|UpdateNodeInfo|UpdateResources)\/v1$/.test(name);
      assert.equal(parseManagementSubject(subject) !== undefined, isRequest, name);
    }
  });

  test('are read from any text without an error', () => {
    fc.assert(fc.property(fc.string({ unit }), subject => parseManagementSubject(subject) === undefined));
  });
});

describe('heartbeats', () => {
  test('are sent on the recorded subject by default', () => {
    const { subject } = capture('bprotocol/heartbeat');
    assert.equal(heartbeatSubject(defaultHeartbeatTopic, node), subject);
    assert.equal(heartbeatNodeIdReader(defaultHeartbeatTopic)(subject), node);
    assert.equal(heartbeatWildcard(defaultHeartbeatTopic), 'bacalhau.global.compute.*.out.heartbeat');
  });

  test('on any topic with a place for the node name the node', () => {
    fc.assert(
      fc.property(topics, nodeIds, (topic, nodeId) => {
        const subject = heartbeatSubject(topic, nodeId);
        assert.equal(heartbeatNodeIdReader(topic)(subject), nodeId);
        assert.equal(idByPlace(topic, subject), nodeId);
        assert.equal(idByPlace(`\u00e9${topic}\u0163`, `\u00e9${subject}\u0163`), nodeId);
        assert.ok(delivers(heartbeatWildcard(topic), subject));
        assert.ok(isEnveloped(topic));
      }),
    );
  });

  test('on a topic that all nodes share are plain', () => {
    fc.assert(
      fc.property(fc.array(token, { minLength: 1, maxLength: 5 }), nodeIds, (tokens, nodeId) => {
        const topic = tokens.join('.');
        assert.equal(heartbeatSubject(topic, nodeId), topic);
        assert.equal(heartbeatWildcard(topic), topic);
        assert.equal(heartbeatNodeIdReader(topic)(topic), undefined);
        assert.equal(heartbeatNodeIdPlace(topic), undefined);
        assert.equal(isEnveloped(topic), false);
      }),
    );
  });

  test('on a shorter subject than the topic name no node', () => {
    assert.equal(heartbeatNodeIdReader('a.b.{nodeId}')('a.b'), undefined);
  });
});

test('the subjects of events, the lease and the echo', () => {
  assert.equal(eventSubject('n-1', 'approved'), 'node.events.n-1.approved');
  assert.equal(eventWildcard(), 'node.events.*.*');
  assert.equal(eventWildcard('n-1'), 'node.events.n-1.*');
  assert.equal(requesterEventSubject('node-0', 'degraded'), 'requester.events.node-0.degraded');
  assert.equal(leaseSubject('c-1'), 'requester.lease.c-1');
  assert.equal(echoSubject('i-1'), 'requester.echo.i-1');
  fc.assert(
    fc.property(nodeIds, nodeIds, (one, other) => {
      const subject = eventSubject(one, 'left');
      assert.ok(delivers(eventWildcard(), subject));
      assert.equal(delivers(eventWildcard(other), subject), one === other);
    }),
  );
});
