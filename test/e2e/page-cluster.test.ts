// The view of the cluster and what is rare on a node's page: certificates that end soon, a store whose servers are lost, two
// agents that want to be one node, a token that ends while the page is open.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { loadIdentity } from '../../agent/compute/registration/identity.ts';
import { Browser, withoutBrowser } from '../support/browser.ts';
import { makeAuthority, makeCertificate } from '../support/certificates.ts';
import { Cluster, patient } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { hostileTexts } from '../support/hostile-texts.ts';
import { freePort } from '../support/listener.ts';
import { NatsCluster } from '../support/nats-cluster.ts';

/** A value of the list of facts, by its label. */
const fact = (page: Page, label: string) =>
  page
    .locator('dl.rows > div')
    .filter({ has: page.locator('dt', { hasText: label }) })
    .locator('dd');

describe('the page of a cluster', { skip: withoutBrowser }, () => {
  let browser: Browser;
  let cluster: Cluster;
  let address: string;
  let token: string;

  before(async () => {
    [browser, cluster] = await Promise.all([Browser.start(), Cluster.create({ settings: patient })]);
    // They end in two days.
    const authority = await makeAuthority(cluster.folder, 'authority');
    const own = await makeCertificate(cluster.folder, authority, 'own', 'IP:127.0.0.1');
    await cluster.requester({
      'broker.tls.certFile': own.certFile,
      'broker.tls.keyFile': own.keyFile,
      'broker.tls.caFile': authority.certFile,
    });
    address = `http://127.0.0.1:${cluster.apiPort}/`;
    token = await cluster.operatorToken();
  });
  after(async () => {
    await browser?.close();
    await cluster?.release();
  });

  /** Sends what an operator asks for, and returns the answer. */
  async function send<T>(method: string, path: string, body: object): Promise<Partial<T>> {
    const answer = await fetch(`${address}api/v1/orchestrator/${path}`, {
      method,
      headers: { connection: 'close', 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    });
    assert.ok(answer.ok, await answer.clone().text());
    return (await answer.json()) as Partial<T>;
  }

  it('says when the certificates end, and marks those that end soon', async () => {
    await browser.withPage(`${address}#/cluster`, async page => {
      const certificates = fact(page, 'certificate');
      await certificates.nth(1).waitFor();
      const texts = await certificates.allTextContents();
      assert.match(texts[0] ?? '', /^broker: ends soon: \S+ \S+ UTC \(in \d+ \w+\)$/);
      assert.match(texts[1] ?? '', /^CA of broker: ends soon: /);
      assert.equal(texts.length, 2);
      assert.equal(await certificates.locator('.ends-soon').count(), 2);
    });
  });

  it('shows both agents that want to be one node, with their keys', async () => {
    await cluster.agent('n-1');
    await cluster.agent('other', { 'node.id': 'n-1' }, { wait: false });
    await eventually('the other one is refused', async () => {
      return (await cluster.node('n-1'))?.Muster.Conflict?.Agents.length === 2;
    });
    const fingerprintOf = async (folder: string) =>
      (await loadIdentity(join(cluster.folderOf(folder), 'agent'))).fingerprint;
    const fingerprints = [await fingerprintOf('n-1'), await fingerprintOf('other')];
    await browser.withPage(
      `${address}#/node/n-1`,
      async page => {
        await page.getByRole('heading', { name: 'Two agents want to be this node' }).waitFor();
        const agents = page.getByRole('table').filter({ hasText: 'Refused' });
        for (const [index, fingerprint] of fingerprints.entries())
          assert.equal(await agents.locator('td.fingerprint').nth(index).textContent(), fingerprint);
        await page
          .getByText(`muster node rekey n-1 --fingerprint ${fingerprints[1]}`, { exact: true })
          .waitFor();
      },
      { token },
    );
  });

  it('shows as text what operators say of themselves and the labels of their join codes', async () => {
    // The requester refuses those that cannot be printed.
    const texts = hostileTexts.filter(text => !/\p{Cc}/u.test(text));
    for (const text of texts) await send('POST', 'join-codes', { Labels: { note: text }, Actor: text });
    await send('PUT', 'nodes/n-1', { Action: 'approve', Message: hostileTexts[1], Actor: hostileTexts[0] });
    await browser.withPage(
      `${address}#/cluster`,
      async page => {
        const codes = page.getByRole('region', { name: 'Join codes' });
        for (const text of texts)
          await codes
            .getByRole('cell')
            .filter({ hasText: `note=${text}` })
            .waitFor();
        await page.goto(`${address}#/node/n-1`);
        await page
          .getByText(hostileTexts[0] ?? '')
          .first()
          .waitFor();
        assert.equal(await page.locator('main img, main svg[onload], main script').count(), 0);
        assert.equal(await page.evaluate('"harmed" in window || "harmed" in Object.prototype'), false);
      },
      { token },
    );
  });

  it('asks to sign in when the token ends while it is open', async () => {
    // A busy machine may open a page only after a short time, so longer ones are tried until the page was open.
    let wasOpen = false;
    for (let seconds = 3; !wasOpen; seconds *= 2) {
      const order = { Name: `short-${seconds}`, ExpiresInSeconds: seconds };
      const { Token = '' } = await send<{ Token: string }>('POST', 'operators', order);
      await browser.withPage(
        `${address}#/cluster`,
        async page => {
          const signIn = page.getByRole('heading', { name: 'Sign in' });
          const opened = page.getByRole('button', { name: 'Make a code' });
          await signIn.or(opened).first().waitFor();
          wasOpen = await opened.isVisible();
          await signIn.waitFor();
          await page.getByText(`The token of operator short-${seconds} expired at`).waitFor();
        },
        { token: Token, expects: [/401/, /ERR_INCOMPLETE_CHUNKED_ENCODING/] },
      );
    }
  });
});

describe('the page of a roll on three servers', { skip: withoutBrowser }, () => {
  let browser: Browser;
  let nats: NatsCluster;
  let cluster: Cluster;

  before(async () => {
    [browser, nats] = await Promise.all([Browser.start(), NatsCluster.start()]);
    cluster = await Cluster.create({ servers: nats.urls.join(',') });
    await cluster.requester();
    await cluster.requester({ 'api.port': await freePort() }, { id: 'node-b' });
  });
  after(async () => {
    await browser?.close();
    await cluster?.release();
    await nats?.release();
  });

  it('shows who watches, which server is away, and that there is no quorum', async () => {
    await browser.withPage(
      `http://127.0.0.1:${cluster.apiPort}/#/cluster`,
      async page => {
        const requester = (name: string) => page.getByRole('row').filter({ hasText: name });
        await requester('node-b').waitFor();
        // One alone: where two say so, this fails at once.
        await page.getByText('watches over the roll').waitFor();
        await requester('node-b')
          .getByText(/stands by|watches/)
          .waitFor();
        const streams = page.locator('dd', { hasText: 'on 3 servers' });
        await streams
          .filter({ hasText: /^on 3 servers, s\d leads$/ })
          .nth(2)
          .waitFor();
        await nats.server(2).kill();
        await streams.filter({ hasText: 's2 is' }).first().waitFor();
        await nats.server(1).kill();
        await page
          .getByText(/no quorum: 2 of 3 servers are away/)
          .first()
          .waitFor();
        await streams.filter({ hasText: 'no leader: no quorum' }).first().waitFor();
      },
      { expects: [/50\d/] },
    );
  });
});
