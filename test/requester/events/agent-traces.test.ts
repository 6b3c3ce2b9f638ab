// Tests when two agents count as living at the same time: not after a restart or a move, but when both speak in turn.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { AgentTraces } from '../../../agent/requester/events/agent-traces.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { computeInfo, record } from '../samples.ts';

/** The record of a node that agent `a` registered, on host `on-a`. */
const registered = record('node-1', 'APPROVED', {
  Info: { ...computeInfo('node-1'), Hostname: 'on-a' },
  Muster: { Instance: 'a' },
});

/** Lets the agents speak one after the other. Returns the numbers of the messages that show two agents, with the other one. */
async function noticed(agents: string, secondsBetween = 5, state = registered): Promise<string[]> {
  const clock = new FakeClock();
  const traces = new AgentTraces(clock);
  const found: string[] = [];
  for (const [index, instance] of [...agents].entries()) {
    // Only the first message of each agent names its host.
    const host = agents.indexOf(instance) === index ? `on-${instance}` : undefined;
    const [one, other] = traces.add(state, { instance, host }) ?? [];
    assert.equal(one?.host, one && `on-${instance}`);
    if (other) found.push(`${index + 1}: ${other.host}`);
    await clock.advance(secondsBetween * 1_000);
  }
  return found;
}

describe('it is no conflict', () => {
  for (const [what, agents] of [
    ['when one agent speaks', 'aaaaaa'],
    ['when the agent was started again', 'aabbbb'],
    ['when it was started twice', 'aabbcccc'],
    ['when it is started again and again', 'abcdefghij'],
    ['when a message of the earlier agent came late', 'aabba'],
  ] as const) {
    test(what, async () => assert.deepEqual(await noticed(agents), []));
  }

  test('when the turns are far apart, or the agents do not name themselves', async () => {
    assert.deepEqual(await noticed('ababab', 601), []);
    const traces = new AgentTraces(new FakeClock());
    for (const instance of [undefined, 'b', undefined, 'b', '', 'b']) {
      assert.equal(traces.add(registered, { instance }), undefined);
    }
  });
});

describe('it is a conflict', () => {
  test('from the second return on, and both hosts are known', async () => {
    assert.deepEqual(await noticed('abab'), ['4: on-a']);
    assert.deepEqual(await noticed('aabbaabba'), ['7: on-a', '9: on-b']);
  });

  test('when one of the two is started again and again', async () => {
    assert.deepEqual(await noticed('abcbdb'), ['6: on-d']);
  });

  test('among three agents', async () => {
    assert.deepEqual(await noticed('abcabc'), ['5: on-a', '6: on-b']);
  });

  test('when the record does not name the agent that registered', async () => {
    assert.deepEqual(await noticed('abab', 5, record('node-1', 'APPROVED')), ['4: on-a']);
  });
});

test('any sequence of agents of which none speaks again after another is no conflict', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 20 }), async counts => {
      const agents = counts.map((count, i) => String.fromCharCode(0x61 + i).repeat(count)).join('');
      assert.deepEqual(await noticed(agents), []);
    }),
  );
});
