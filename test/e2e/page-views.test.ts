// Each view of the page, in light and in dark: a person who does not see it can use it as far as axe can tell, and on a phone
// nothing is wider than the screen.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { Browser, withoutBrowser } from '../support/browser.ts';
import { Cluster, patient } from '../support/cluster.ts';

interface View {
  name: string;
  /** What follows `#` in the address. */
  place: string;
  /** Brings the page to where it is looked at. */
  open(page: Page): Promise<unknown>;
}

const row = (page: Page, id: string) => page.locator(`[role=row][data-id="${id}"]`);
const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });

const views: View[] = [
  {
    name: 'the roll',
    place: '/nodes',
    open: async page => {
      await row(page, 'n-2').waitFor();
      await row(page, 'n-1').click();
    },
  },
  {
    name: 'a decision',
    place: '/nodes',
    open: async page => {
      await row(page, 'n-1').click();
      await page.getByRole('toolbar').getByRole('button', { name: 'Delete' }).click();
    },
  },
  {
    name: 'the keys',
    place: '/nodes',
    open: async page => {
      await row(page, 'n-1').waitFor();
      await page.keyboard.press('?');
      await page.getByRole('dialog').waitFor();
    },
  },
  {
    name: 'a node',
    place: '/node/n-1',
    open: async page => {
      await page.getByText('muster node approve n-1').first().waitFor();
      await page.getByText('registered', { exact: true }).last().waitFor();
    },
  },
  {
    name: 'the cluster',
    place: '/cluster',
    open: async page => {
      await page.getByText('watches over the roll').waitFor();
      await button(page, 'Make a code').waitFor();
    },
  },
  {
    name: 'a new join code',
    place: '/cluster',
    open: async page => {
      await button(page, 'Make a code').click();
      await button(page, 'Make the code').click();
      await page.getByText('It is shown only now.').waitFor();
    },
  },
];

describe('the views of the page', { skip: withoutBrowser }, () => {
  let cluster: Cluster;
  let browser: Browser;
  let token: string;

  before(async () => {
    // A node that is silent for a moment would come in another order.
    [cluster, browser] = await Promise.all([Cluster.create({ settings: patient }), Browser.start()]);
    await cluster.requester();
    await Promise.all(['n-1', 'n-2'].map(id => cluster.agent(id)));
    token = await cluster.operatorToken();
  });
  after(async () => {
    await browser?.close();
    await cluster?.release();
  });

  for (const view of views) {
    it(`${view.name} has no fault in light and in dark, and fits a phone`, async () => {
      const address = `http://127.0.0.1:${cluster.apiPort}/#${view.place}`;
      await browser.withPage(
        address,
        async page => {
          await view.open(page);
          for (const colorScheme of ['light', 'dark'] as const) {
            await page.emulateMedia({ colorScheme });
            assert.deepEqual(await faultsOf(page), [], colorScheme);
          }
          await page.setViewportSize({ width: 390, height: 844 });
          const [wanted, there] = (await page.evaluate(
            '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
          )) as [number, number];
          assert.ok(wanted <= there, `${wanted} pixels are wanted, and there are ${there}`);
        },
        { token, reducedMotion: 'reduce' },
      );
    });
  }
});

/** Returns what axe finds, a text each. */
async function faultsOf(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = (await page.evaluate('axe.run()')) as axe.AxeResults;
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${help}\n${html}\n${failureSummary}`),
  );
}
