// What nodes and the pages of others may try: whatever a node says is shown as text in every view, no other page can frame the
// page, and none can decide.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { nodeInfo } from '../../agent/compute/survey/node-info.ts';
import { writeJson } from '../../agent/protocol/json.ts';
import { managementSubject } from '../../agent/protocol/subjects.ts';
import type { Connection } from '../../agent/transport/port.ts';
import { Browser, withoutBrowser } from '../support/browser.ts';
import { Cluster } from '../support/cluster.ts';
import { hostileTexts } from '../support/hostile-texts.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { openConnection } from '../support/open-connection.ts';

/** A text of several lines is one too. */
const hostile = [...hostileTexts, 'one\n7: another\u2028third'];

describe('the page and what is hostile', { skip: withoutBrowser }, () => {
  let browser: Browser;
  let broker: NatsServer;
  let connection: Connection;
  let cluster: Cluster;
  let address: string;
  let token: string;

  before(async () => {
    [browser, broker] = await Promise.all([Browser.start(), startNatsServer()]);
    cluster = await Cluster.create({ servers: broker.url });
    await cluster.requester();
    connection = await openConnection(broker.url, 'stranger');
    address = `http://127.0.0.1:${cluster.apiPort}/`;
    token = await cluster.operatorToken();
  });
  after(async () => {
    await browser?.close();
    await connection?.close(500);
    await cluster?.release();
    await broker?.stop();
  });

  const isHarmed = (page: Page) => page.evaluate('"harmed" in window || "harmed" in Object.prototype');

  it('shows whatever a node says as text, in every view', async () => {
    for (const [index, text] of hostile.entries()) await registerAs(`h-${index}`, text);
    await cluster.decide('h-0', 'reject', { message: hostile[0] ?? '' });
    await browser.withPage(
      address,
      async page => {
        await page.locator('[role=row][data-id="h-8"]').waitFor();
        await page
          .locator('[role=row][data-id="h-0"]')
          .getByText(hostile[0] ?? '')
          .first()
          .waitFor();
        assert.equal(await page.locator('main img, main svg[onload], main script').count(), 0);
        // No name of a GPU looks like several of them.
        const gpu = page.locator('[role=row][data-id="h-9"] .bar-text', { hasText: 'another' });
        assert.doesNotMatch((await gpu.textContent()) ?? '', /[\n\u2028]/);
        for (const [index, text] of hostile.entries()) {
          await page.goto(`${address}#/node/h-${index}`);
          await page.getByRole('heading', { name: `h-${index}` }).waitFor();
          await page.getByRole('rowheader', { name: 'Host' }).waitFor();
          if (index < 6) await page.getByRole('cell', { name: text }).first().waitFor();
        }
        // An address may say anything too, and so may the events.
        await page.goto(`${address}#/node`);
        await page.locator('[role=row][data-id="h-8"]').waitFor();
        await page.goto(`${address}#/node/${encodeURIComponent(hostile[0] ?? '')}`);
        await page.getByText('This node is not on the roll.').waitFor();
        await page.goto(
          `${address}#/nodes?search=${encodeURIComponent(hostile[1] ?? '')}&labels=%3Cb%3E&sort=%00`,
        );
        await page.getByRole('alert').first().waitFor();
        await page.goto(`${address}#/cluster`);
        await page.getByRole('heading', { name: 'Events of the last hour' }).waitFor();
        await page
          .getByText(`"${(hostile[0] ?? '').replaceAll('"', '\\"')}"`)
          .first()
          .waitFor();
        assert.equal(await isHarmed(page), false);
      },
      { token, expects: [/40[04]/] },
    );
  });

  it('cannot be framed, and takes no decision from the page of another host', async () => {
    const other = await pageOf(`<iframe src="${address}"></iframe>`);
    try {
      const { port } = other.address() as AddressInfo;
      await browser.withPage(
        `http://127.0.0.1:${port}/`,
        async page => {
          const [, frame] = page.frames();
          assert.equal(await frame?.locator('#page').count(), 0);
          const ask = (headers: object, mode: string) =>
            page.evaluate(`fetch(${JSON.stringify(`${address}api/v1/orchestrator/nodes/h-1`)}, {
              method: ${JSON.stringify(mode === 'no-cors' ? 'POST' : 'PUT')},
              mode: ${JSON.stringify(mode)},
              headers: ${JSON.stringify(headers)},
              body: '{"Action":"approve","Exact":true}',
            }).then(answer => answer.type + answer.status, () => 'refused')`);
          const shown = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
          assert.equal(await ask(shown, 'cors'), 'refused');
          assert.equal(await ask({}, 'no-cors'), 'opaque0');
          assert.equal((await cluster.node('h-1'))?.Membership, 'PENDING');
        },
        { expects: [/asked/, /frame/i, /CORS/, /ERR_/, /40\d/] },
      );
    } finally {
      other.closeAllConnections();
      other.close();
    }
  });

  /** Registers a node that says `text` wherever it may say something. */
  async function registerAs(id: string, text: string): Promise<void> {
    const machine = { hostname: text, operatingSystem: 'linux', architecture: 'amd64' };
    const capacity = {
      CPU: 4,
      Memory: 8e9,
      GPU: 1,
      GPUs: [{ Index: 0, Name: text.slice(0, 60), Vendor: text.slice(0, 60), Memory: 1, PCIAddress: '' }],
    };
    const short = text.slice(0, 60);
    const Info = {
      ...nodeInfo(id, machine, capacity, capacity, { [short]: text }),
      Host: { OS: text, Kernel: text, CPUModel: text, Virtualisation: short, GPUDriver: short },
      Agent: { Version: short },
      Address: { IP: '10.0.0.1', Why: text },
      Conditions: [{ Type: short, Reason: text, Since: '2026-01-01T00:00:00Z' }],
    };
    const body = writeJson({ Info, Muster: { Version: short, Instance: short, BootID: short } });
    const answer = await connection.request(managementSubject(id, 'RegisterNode/v1'), body, 30_000);
    assert.match(Buffer.from(answer.data).toString(), /"Accepted":true/, text);
  }
});

/** Serves a page of somebody else. */
async function pageOf(body: string): Promise<Server> {
  const server = createServer((_request, answer) => {
    answer.setHeader('content-type', 'text/html');
    answer.end(`<!doctype html><link rel="icon" href="data:,"><title>Another page</title>${body}`);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
