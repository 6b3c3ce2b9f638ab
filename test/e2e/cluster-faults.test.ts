// Two requesters on three servers while operators decide at both: what is left of the cluster after a fault loses nothing,
// contradicts nothing and asks no node to register again. The rows are those of scripts/campaign, with all of its checks.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ClusterCampaign } from '../campaign/cluster/run.ts';

describe('two requesters on three servers', () => {
  let campaign: ClusterCampaign;
  let isWhole = false;

  before(async () => {
    campaign = await ClusterCampaign.make({
      seed: 5,
      agents: 1,
      simulatedNodes: 10,
      lastsMs: { 'a moment': 0, 'longer than a lease': 0, 'a minute': 0 },
      besideMs: 500,
      onProgress: () => undefined,
    });
    await campaign.start();
    isWhole = true;
  });
  after(() => campaign?.release(false));

  /** Carries out a row. After a row that failed, the cluster is no longer whole. */
  const round = async (name: string) => {
    assert.ok(isWhole, 'an earlier fault was not healed');
    isWhole = false;
    await campaign.round(name);
    isWhole = true;
  };

  // These two are the servers at the sites of the requesters. The campaign has the other pairs.
  it('decide nothing without two servers, say that there is no quorum, and go on by themselves', () =>
    round('kill servers 0 and 1'));

  it('go on when the watcher is suspended for longer than its lease, and it contradicts nobody when it wakes', () =>
    round('suspend the watcher'));

  it('go on when a server with an empty disk takes the place of another one, under a new name', () =>
    round('replace server 2'));
});
