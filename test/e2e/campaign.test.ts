// Half a minute of the campaign, from a fixed seed: real processes are killed, suspended and flooded while operators decide.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AttackName } from '../campaign/plan.ts';
import { runCampaign } from '../campaign/run.ts';

const seed = 9;
const rounds = 8;
const attacks: AttackName[] = [
  'kill requester and broker',
  'kill an agent',
  'suspend the broker',
  'kill the requester',
  'alternate labels',
  'leave and return',
  'forge heartbeats',
  'forge events',
  'write junk keys',
  'tear a block',
  'purge the store',
];

describe('a cluster under attack', () => {
  it('loses no decision and no event, doubles none, and leaves nothing behind', async t => {
    t.diagnostic(`seed ${seed}`);
    const { fault, figures } = await runCampaign({
      seed,
      attacks,
      agents: 2,
      simulatedNodes: 20,
      goOn: round => round <= rounds,
      onProgress: text => t.diagnostic(text),
    });
    for (const [what, figure] of figures) t.diagnostic(`${what}: ${figure}`);
    assert.equal(fault, undefined, `seed ${seed}`);
  });
});
