// Tests that information is compared as its texts are, whatever a node sends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { writeJson } from '../../../agent/protocol/json.ts';
import { type NodeInfo, nodeInfoSchema, staticInfo } from '../../../agent/protocol/node-info.ts';
import { validate } from '../../../agent/protocol/schema.ts';
import { infoDiffers } from '../../../agent/requester/roll/info-rules.ts';
import { mutatedJson } from '../../fuzz/mutations.ts';
import { nodeInfos } from '../../support/messages.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

// Returns a text that is the same for the same static information, in whatever order its labels and lists are.
function textOf(info: NodeInfo): string {
  const sort = (_name: string, value: unknown): unknown => {
    if (Array.isArray(value)) return value.every(each => typeof each === 'string') ? value.toSorted() : value;
    return typeof value === 'object' && value !== null
      ? Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
      : value;
  };
  const { SupportedProtocols, ComputeNodeInfo, Labels, ...rest } = staticInfo(info);
  const { ExecutionEngines, Publishers, StorageSources, ...capacity } = ComputeNodeInfo;
  const lists = [SupportedProtocols, ExecutionEngines, Publishers, StorageSources].map(list => list ?? []);
  return JSON.stringify([rest, capacity, lists, Labels ?? {}], sort);
}

test('information differs where its texts differ, and nowhere else', () => {
  let equal = 0;
  let different = 0;
  fc.assert(
    fc.property(nodeInfos, fc.integer(), (sent, seed) => {
      const random = new SeededRandom(seed);
      const a = readInfo(JSON.stringify(sent));
      if (!a) return;
      const { ExecutionEngines: engines } = a.ComputeNodeInfo;
      const moved = {
        ...a,
        Labels: a.Labels && Object.fromEntries(random.shuffle(Object.entries(a.Labels))),
        ComputeNodeInfo: {
          ...a.ComputeNodeInfo,
          ExecutionEngines: engines && random.shuffle(engines),
          RunningExecutions: 7,
        },
      };
      for (const b of [a, readInfo(writeJson(moved)), readInfo(mutatedJson(a, random))]) {
        if (!b) continue;
        const differs: boolean = textOf(a) !== textOf(b);
        assert.equal(infoDiffers(a, b), differs);
        if (differs) different++;
        else equal++;
      }
    }),
    { numRuns: 100 },
  );
  assert.ok(equal > 100 && different > 3, `${equal} equal, ${different} different`);
});

test('a label that is named as a passing figure counts', () => {
  const [info] = fc.sample(nodeInfos, { numRuns: 1, seed: 1 });
  assert.ok(info);
  const a = { ...info, Labels: { AvailableCapacity: '1' } };
  assert.equal(infoDiffers(a, { ...a, Labels: { AvailableCapacity: '2' } }), true);
  assert.equal(infoDiffers(a, { ...a, Labels: {} }), true);
  assert.equal(
    infoDiffers(a, { ...a, ComputeNodeInfo: { ...a.ComputeNodeInfo, AvailableCapacity: { CPU: 3 } } }),
    false,
  );
});

function readInfo(text: string): NodeInfo | undefined {
  try {
    return validate(nodeInfoSchema, JSON.parse(text));
  } catch {
    return undefined;
  }
}
