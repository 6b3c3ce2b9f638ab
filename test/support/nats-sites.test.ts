// A site that is cut off from two others has no leader, and the two others have one; mended, it has one again.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { connect } from 'nats';
import { eventually } from './eventually.ts';
import { NatsSites, sites } from './nats-sites.ts';

it('a site that is cut off finds no leader of a stream, and the two others do', async t => {
  const nats = await NatsSites.make();
  t.after(() => nats.release());
  await nats.start('');
  const clients = await Promise.all(
    sites.map(site => connect({ servers: nats.server(site).url, reconnect: false })),
  );
  t.after(() => Promise.all(clients.map(client => client.close())));
  /** Writes at a site, and returns whether the write was acknowledged. */
  const writes = async (site: number) => {
    const answer = clients[site]?.request('probe', 'x', { timeout: 500 });
    return (await answer?.catch(() => undefined))?.json<{ seq?: number }>().seq !== undefined;
  };
  await eventually('a stream is made on all sites', async () => {
    const config = { name: 'PROBE', subjects: ['probe'], num_replicas: 3 };
    const answer = clients[0]?.request('$JS.API.STREAM.CREATE.PROBE', JSON.stringify(config));
    return (await answer?.catch(() => undefined))?.json<{ config?: unknown }>().config !== undefined;
  });
  for (const site of sites) await eventually(`site ${site} writes`, () => writes(site));
  for (const loss of ['both', 'sent'] as const) {
    nats.cutOff(0, loss);
    for (const site of [1, 2]) await eventually(`site ${site} writes without site 0`, () => writes(site));
    assert.equal(await writes(0), false);
    nats.mend();
    await eventually('site 0 writes again', () => writes(0));
  }
});
