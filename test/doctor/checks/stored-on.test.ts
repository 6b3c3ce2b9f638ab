// Checks what `muster doctor` says of a store on several servers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storedOnFindings } from '../../../agent/doctor/checks/stored-on.ts';

const stream = (current: boolean, replicas = 3) => ({
  stream: 'KV_node_v1',
  replicas,
  leader: 's0',
  others: [{ server: 's1', current, lag: 0 }],
});

test('a store that each of three servers has is ok, and of any other only the troubles speak', () => {
  assert.match(
    storedOnFindings({ store: [stream(true)] })[0]?.text ?? '',
    /on 3 servers .* each has everything/,
  );
  for (const store of [undefined, [], [stream(false)], [stream(true, 1)], [stream(true), stream(false)]])
    assert.deepEqual(storedOnFindings({ store }), []);
});
