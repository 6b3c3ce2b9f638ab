// A page with 5 000 nodes that change all the time: it shows them, searches them, and its memory does not grow with the changes.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { writeJson } from '../../agent/protocol/json.ts';
import { managementSubject } from '../../agent/protocol/subjects.ts';
import type { Connection } from '../../agent/transport/port.ts';
import { fillStore } from '../measure/fill-store.ts';
import { nodeIdOf, resourcesOf } from '../measure/simulated-nodes.ts';
import { Browser, heapBytes, withoutBrowser } from '../support/browser.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { openConnection } from '../support/open-connection.ts';

const nodes = 5_000;
/** The last node, which the page has when it has them all. */
const last = nodeIdOf(nodes - 1);

describe('a page with many nodes', { skip: withoutBrowser }, () => {
  let browser: Browser;
  let broker: NatsServer;
  let connection: Connection;
  let cluster: Cluster;

  before(async () => {
    [browser, broker] = await Promise.all([Browser.start(), startNatsServer()]);
    await fillStore(broker.url, nodes);
    const silence = { 'requester.nodeDisconnectedAfter': '1h', 'requester.nodeUnknownAfter': '2h' };
    cluster = await Cluster.create({ servers: broker.url });
    await cluster.requester(silence);
    connection = await openConnection(broker.url, 'many nodes');
  });
  after(async () => {
    await browser?.close();
    await connection?.close(500);
    await cluster?.release();
    await broker?.stop();
  });

  it('shows what changes, finds a node at once, and keeps its memory', async () => {
    const { clusterId = '' } = await cluster.status();
    await browser.withPage(`http://127.0.0.1:${cluster.apiPort}/`, async page => {
      const all = page.getByRole('button', { name: `All ${nodes + 1}` });
      await all.waitFor();
      // Only the lines in sight are there, however many nodes there are.
      assert.ok((await page.getByRole('row').count()) < 200);

      await changeAll(page, clusterId, 1);
      const before = await heapBytes(page);
      for (const free of [2, 3, 4, 5]) await changeAll(page, clusterId, free);
      const grown = (await heapBytes(page)) - before;
      assert.ok(grown < 20e6, `20 000 changes made the memory of the page grow by ${grown} bytes`);

      await page.getByLabel('Search').fill('0004999');
      await page.locator(`[role=row][data-id="${last}"]`).click();
      await page.getByLabel('Search').fill('');
      await page.keyboard.press('Tab');
      await page.keyboard.press('End');
      // The requester comes after the nodes.
      await page.locator('[role=row][data-id="node-0"].marked').waitFor();
    });
  });

  /** Lets each node report that `free` CPUs are free, the first one last, and waits until the page shows it of that one. */
  async function changeAll(page: Page, clusterId: string, free: number): Promise<void> {
    const cell = page.locator(`[role=row][data-id="${nodeIdOf(0)}"] .cell.cpu`);
    const before = await cell.textContent();
    for (let index = nodes - 1; index >= 0; index--) {
      const report = { ...resourcesOf(index, clusterId), AvailableCapacity: { CPU: free } };
      connection.publish(managementSubject(nodeIdOf(index), 'UpdateResources/v1'), writeJson(report));
    }
    await eventually('the page shows the last report', async () => (await cell.textContent()) !== before);
  }
});
