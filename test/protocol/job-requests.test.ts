// Tests the requests of an orchestrator about jobs: what is read of them, and what a node without jobs answers.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  bidResultSubject,
  encodeJobAnswer,
  encodeJobRefusal,
  encodeNoBid,
  encodeNoLogs,
  noJobs,
  parseJobSubject,
  readJobRequest,
} from '../../agent/protocol/job-requests.ts';

const read = (value: unknown) => readJobRequest(Buffer.from(JSON.stringify(value)));

test('what is asked stands after the last point of the subject', () => {
  assert.equal(parseJobSubject('node.compute.n-1.AskForBid/v1'), 'AskForBid');
  assert.equal(parseJobSubject('node.compute.n-1.ExecutionLogs/v1'), 'ExecutionLogs');
  for (const subject of [
    'node.compute.n-1.alive',
    'node.compute.n-1.AskForBid/v2',
    'node.compute.n-1.Leave/v1',
    '',
  ])
    assert.equal(parseJobSubject(subject), undefined, subject);
});

describe('a request', () => {
  test('to bid names its execution and job, from 1.8 on with the version of the job', () => {
    const Execution = { ID: 'e-1', JobID: 'j-1', Job: { ID: 'j-1', Tasks: [] } };
    const older = read({ SourcePeerID: 'n-head', TargetPeerID: 'n-1', Execution, WaitForApproval: true });
    assert.deepEqual(older, { orchestrator: 'n-head', execution: 'e-1', job: 'j-1', jobVersion: 0 });
    assert.equal(encodeJobAnswer(older), '{"value":{"ExecutionID":"e-1","JobID":"j-1"}}');
    const newer = read({ SourcePeerID: 'n-head', Execution: { ...Execution, JobVersion: 2 } });
    assert.equal(encodeJobAnswer(newer), '{"value":{"ExecutionID":"e-1","JobID":"j-1","JobVersion":2}}');
    assert.deepEqual(JSON.parse(encodeNoBid('n-1', newer, new Date(0))), {
      SourcePeerID: 'n-1',
      TargetPeerID: 'n-head',
      ExecutionID: 'e-1',
      JobID: 'j-1',
      JobVersion: 2,
      Accepted: false,
      Wait: false,
      Event: { Message: noJobs, Topic: 'Exec Scanning', Timestamp: '1970-01-01T00:00:00.000Z' },
    });
  });

  test('about an execution names only that', () => {
    const request = read({ SourcePeerID: 'n-head', ExecutionID: 'e-2', Justification: 'stopped' });
    assert.deepEqual(request, { orchestrator: 'n-head', execution: 'e-2', job: '', jobVersion: 0 });
  });

  test('of somebody whose id would lead to another subject is refused', () => {
    assert.equal(
      bidResultSubject(read({ SourcePeerID: 'n/a=1' }).orchestrator),
      'node.orchestrator.n/a=1.OnBidComplete/v1',
    );
    for (const SourcePeerID of ['', '>', '*', 'a.b', 'a b', 'x'.repeat(129), null, 7])
      assert.throws(() => read({ SourcePeerID }), { name: 'ProtocolError' }, String(SourcePeerID));
    assert.throws(() => read({ SourcePeerID: 'n-1', ExecutionID: 'x'.repeat(257) }), {
      name: 'ProtocolError',
    });
  });
});

test('a refusal has no value, and the end of logs is the whole stream', () => {
  assert.equal(encodeJobRefusal('why'), '{"error":"why","value":null}');
  assert.deepEqual(JSON.parse(encodeNoLogs()), { type: 2, closeError: { Code: 5000, Text: noJobs } });
});
