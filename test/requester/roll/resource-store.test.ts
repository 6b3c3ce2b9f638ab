// The resource store returns what each node reported last, whatever it was.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { updateResourcesRequestSchema } from '../../../agent/protocol/messages.ts';
import { validate } from '../../../agent/protocol/schema.ts';
import { type ResourceInfo, ResourceStore } from '../../../agent/requester/roll/resource-store.ts';

const amounts = fc.option(fc.double({ min: 0, max: 1e15, noNaN: true }), { nil: undefined });
const counts = fc.option(fc.nat(), { nil: undefined });
const gpus = fc.option(
  fc.array(fc.record({ Index: fc.nat(9), Name: fc.string(), Memory: fc.nat() }), { maxLength: 2 }),
  { nil: undefined },
);
const resources = fc.record({ CPU: amounts, Memory: counts, Disk: counts, GPU: counts, GPUs: gpus });
const usage = fc.record({
  CPU: amounts,
  Memory: counts,
  Disk: counts,
  Load: amounts,
  GPUs: fc.option(fc.array(fc.record({ Index: fc.nat(9), Power: fc.nat() }), { maxLength: 2 }), {
    nil: undefined,
  }),
});
/** A report as it came from a node, as the schema reads it. */
const reports = fc
  .record({
    AvailableCapacity: resources,
    QueueUsedCapacity: fc.oneof(fc.constant({}), resources),
    Usage: fc.option(usage, { nil: undefined }),
  })
  .map(body => validate(updateResourcesRequestSchema, JSON.parse(JSON.stringify({ NodeID: 'n', ...body }))));

const step = fc.record({
  id: fc.constantFrom('a', 'b', 'c'),
  report: fc.option(reports, { nil: undefined }),
  at: fc.date({ noInvalidDate: true }),
  protocol: fc.constantFrom('bprotocol/v2', 'ncl/v1'),
});

test('what is stored of each node is what it reported last, for any reports', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), steps => {
      const store = new ResourceStore();
      const model = new Map<string, ResourceInfo>();
      for (const { id, report, at, protocol } of steps) {
        if (report) {
          const { AvailableCapacity: available, QueueUsedCapacity: queued, Usage } = report;
          const info = { available, queued, usage: Usage, at, protocol };
          store.set(id, info);
          model.set(id, info);
        } else {
          store.onRemoved(id);
          model.delete(id);
        }
        for (const each of ['a', 'b', 'c']) {
          assert.deepEqual(store.get(each), model.get(each));
          // The order of the members is that in which Bacalhau writes them.
          assert.equal(JSON.stringify(store.get(each)), JSON.stringify(model.get(each)));
        }
      }
    }),
  );
});
