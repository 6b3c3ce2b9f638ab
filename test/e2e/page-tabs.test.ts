// Several tabs of one browser, and what is opened in a tab that shows the page already.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { Browser, withoutBrowser } from '../support/browser.ts';
import { Cluster } from '../support/cluster.ts';

describe('the tabs of a browser', { skip: withoutBrowser }, () => {
  let cluster: Cluster;
  let browser: Browser;
  let address: string;

  before(async () => {
    [cluster, browser] = await Promise.all([Cluster.create(), Browser.start()]);
    await cluster.requester();
    await Promise.all(['n-1', 'n-2', 'n-3'].map(id => cluster.agent(id)));
    address = `http://127.0.0.1:${cluster.apiPort}/`;
  });
  after(async () => {
    await browser?.close();
    await cluster?.release();
  });

  const row = (page: Page, id: string) => page.locator(`[role=row][data-id="${id}"]`);

  /** Lets a tab be seen or not. A browser without a window takes all its tabs for seen. */
  const see = (page: Page, isSeen: boolean) =>
    page.evaluate(`
      Object.defineProperty(document, 'hidden', { value: ${!isSeen}, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    `);

  const oneTimeAddress = async () => {
    const made = await cluster.output('ui', '--no-open');
    return made.trim();
  };

  it('may be more than a browser has connections: those that are too many say so, and each can ask', async () => {
    await browser.withPage(address, async first => {
      await row(first, 'n-3').waitFor();
      const others: Page[] = [];
      for (let tab = 2; tab <= 5; tab++) {
        const page = await first.context().newPage();
        await page.goto(`${address}#/node/n-3`);
        await page.getByText('n-3 is PENDING').first().waitFor();
        await page.getByRole('banner').getByText('live').waitFor();
        others.push(page);
      }
      const last = await first.context().newPage();
      await last.goto(address);
      await last.getByRole('alert').getByText('has no more connections to the requester').waitFor();
      // All that are live show what happens, and can ask why.
      await cluster.decide('n-3', 'approve');
      await row(first, 'n-3').locator('.tag', { hasText: 'approved' }).waitFor();
      for (const page of others) {
        await page.getByText('n-3 is APPROVED').first().waitFor();
        await page.locator('.timeline .kind', { hasText: 'approved' }).waitFor();
      }
      await see(first, false);
      await row(last, 'n-3').locator('.tag', { hasText: 'approved' }).waitFor();
      // A window that is closed leaves its place.
      await others[0]?.close();
      await see(first, true);
      await cluster.decide('n-2', 'approve');
      for (const page of [first, last])
        await row(page, 'n-2').locator('.tag', { hasText: 'approved' }).waitFor();
    });
  });

  it('a one-time address signs in a tab that shows the page, and says so when it was used before', async () => {
    const expects = [/status of 401/];
    const once = await oneTimeAddress();
    const work = async (page: Page) => {
      await row(page, 'n-1').waitFor();
      await page.goto(once);
    };
    await browser.withPage(address, async page => {
      await work(page);
      await page.getByRole('button', { name: 'Sign out' }).waitFor();
      assert.doesNotMatch(page.url(), /signin/);
      await page.getByRole('searchbox').fill('n-1');
      await page.waitForURL(/search=n-1/);
      assert.doesNotMatch(page.url(), /signin/);
    });
    await browser.withPage(
      address,
      async page => {
        await work(page);
        await page.getByText('it was used already').waitFor();
        await row(page, 'n-1').waitFor();
      },
      { expects },
    );
  });

  it('a node that is not there is said to be missing once, and shown when it comes', async () => {
    const work = async (page: Page) => {
      await page.getByText('This node is not on the roll. No event of it is kept.').waitFor();
      assert.equal(await page.getByText(/trying again|not found/).count(), 0);
      await page.getByRole('link', { name: 'Search the nodes for this id' }).click();
      await page.waitForURL(/search=n-4/);
      await page.goBack();
      await cluster.agent('n-4');
      await page.getByText('n-4 is PENDING').first().waitFor();
      await page.locator('.timeline .kind', { hasText: 'registered' }).waitFor();
    };
    await browser.withPage(`${address}#/node/n-4`, work, { expects: [/404/] });
  });

  it('shows the events of the last hour by the clock of the requester, also when its own is wrong', async () => {
    const script = 'const now = Date.now; Date.now = () => now() + 86_400_000';
    await browser.withPage(
      `${address}#/cluster`,
      page => page.locator('.events .kind', { hasText: 'registered' }).first().waitFor(),
      { script },
    );
  });

  it('what is to be done about a node is not shown for the next one', async () => {
    await browser.withPage(`${address}#/node/n-1`, async page => {
      await page.getByText('muster node reject n-1').waitFor();
      await page.route('**/nodes/n-2/explanation', () => {});
      await page.goto(`${address}#/node/n-2`);
      await page.getByRole('heading', { name: 'n-2' }).waitFor();
      assert.equal(await page.getByText('muster node reject n-1').count(), 0);
    });
  });
});
