// Tests that the readers of the usual form read as the schemas themselves do, whatever they get.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import * as v from 'valibot';
import {
  leaveRequestSchema,
  registerRequestSchema,
  updateResourcesRequestSchema,
} from '../../agent/protocol/messages.ts';
import { nodeStateSchema } from '../../agent/protocol/node-state.ts';
import { resourcesSchema } from '../../agent/protocol/resources.ts';
import { struct, validate } from '../../agent/protocol/schema.ts';
import type { ReadConfig } from '../../agent/protocol/usual-form.ts';
import { mutatedJson } from '../fuzz/mutations.ts';
import { recordOf, registerOf, resourcesOf } from '../measure/simulated-nodes.ts';
import { leaves, nodeStates, registers, updateResourcesMessages } from '../support/messages.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const resources = updateResourcesMessages.map(({ AvailableCapacity }) => AvailableCapacity);
const rows: [string, v.GenericSchema, fc.Arbitrary<unknown>][] = [
  ['a registration', registerRequestSchema, registers],
  ['an update of resources', updateResourcesRequestSchema, updateResourcesMessages],
  ['a leave', leaveRequestSchema, leaves],
  ['a record', nodeStateSchema, nodeStates],
  ['resources', resourcesSchema, resources],
];

/** Returns what a schema makes of a value, with the order of the members, or its first issue. */
function outcome(schema: v.GenericSchema, value: unknown, config: ReadConfig) {
  const { issues, value: output } = schema['~run']({ value }, { abortEarly: true, ...config } as ReadConfig);
  const [issue] = issues ?? [];
  return issue
    ? { issue: issue.message, path: issue.path?.map(({ key }) => key) }
    : { output, order: JSON.stringify(output) };
}

describe('the usual form', () => {
  for (const [what, schema, valid] of rows)
    test(`${what} is read as its schema reads it`, () => {
      fc.assert(
        fc.property(valid, fc.integer(), (message, seed) => {
          const random = new SeededRandom(seed);
          let text = JSON.stringify(message);
          for (let changes = 0; changes < 4; changes++) {
            const value = parsed(text);
            for (const keepsUnknown of [false, true]) {
              const fast = outcome(schema, structuredClone(value), { keepsUnknown });
              assert.deepEqual(fast, outcome(schema, value, { keepsUnknown, isPlain: true }));
            }
            text = mutatedJson(parsed(text) ?? message, random);
          }
        }),
        { numRuns: 100 },
      );
    });

  test('what agents send, and what is stored of them, is not copied', () => {
    const sent = (value: unknown) => JSON.parse(JSON.stringify(value));
    const [register, update, record] = [registerOf(7, 'c'), resourcesOf(7, 'c'), recordOf(7)].map(sent);
    assert.equal(validate(registerRequestSchema, register).Info.Host, register.Info.Host);
    const { MaxCapacity } = register.Info.ComputeNodeInfo;
    assert.equal(validate(registerRequestSchema, register).Info.ComputeNodeInfo.MaxCapacity, MaxCapacity);
    assert.equal(validate(nodeStateSchema, record).Muster, record.Muster);
    assert.equal(validate(updateResourcesRequestSchema, update).Usage, update.Usage);
  });

  test('each member is read once, also within objects that are copied because something in them changes', () => {
    let readings = 0;
    const inner = v.pipe(
      v.string(),
      v.transform(text => {
        readings++;
        return text.toLowerCase();
      }),
    );
    let schema: v.GenericSchema = struct({ Inner: inner });
    for (let depth = 0; depth < 8; depth++)
      schema = struct({ First: v.optional(v.string()), Inner: schema, Last: v.optional(v.string()) });
    for (const [text, others] of [
      ['same', {}],
      ['CHANGED', { First: 'a', Last: 'b' }],
    ] as const) {
      let value: unknown = { Inner: text };
      for (let depth = 0; depth < 8; depth++) value = { Inner: value, ...others };
      readings = 0;
      validate(schema, value);
      assert.equal(readings, 1, text);
    }
  });
});

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
