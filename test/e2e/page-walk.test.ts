// The walk of an operator through the page in a real browser: a node registers and is seen as pending, one is approved, one is
// rejected with a reason, and one is deleted with its id typed; once with the mouse, and once with the keyboard alone.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { Browser, withoutBrowser } from '../support/browser.ts';
import { Cluster, patient } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';

describe('an operator in a browser', { skip: withoutBrowser }, () => {
  let cluster: Cluster;
  let browser: Browser;
  let address: string;

  before(async () => {
    // A node that is silent for a moment would come in another order.
    [cluster, browser] = await Promise.all([Cluster.create({ settings: patient }), Browser.start()]);
    await cluster.requester();
    address = `http://127.0.0.1:${cluster.apiPort}/`;
  });
  after(async () => {
    await browser?.close();
    await cluster?.release();
  });

  const row = (page: Page, id: string) => page.locator(`[role=row][data-id="${id}"]`);
  const dialog = (page: Page) => page.getByRole('dialog');

  /** Resolves once the page shows a node with this approval. */
  const untilShown = (page: Page, id: string, approval: string) =>
    row(page, id).locator('.tag', { hasText: approval }).waitFor();

  async function untilDecided(id: string, membership: string, reason = ''): Promise<void> {
    await eventually(`${id} is ${membership}`, async () => {
      const node = await cluster.node(id);
      return node?.Membership === membership && node.Muster.Decision?.Reason === reason;
    });
  }

  const untilBack = (id: string) =>
    eventually(`${id} was deleted, and is back`, async () =>
      /\bdeleted,(.*,)?undeleted\b/.test((await cluster.kindsOf(id)).join()),
    );

  it('decides with the mouse about nodes that come while the page is open', async () => {
    await browser.withPage(address, async page => {
      await row(page, 'node-0').waitFor();
      await page.getByRole('button', { name: 'Sign in' }).click();
      await dialog(page)
        .getByRole('textbox')
        .fill(await cluster.operatorToken());
      await dialog(page).getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('button', { name: 'Sign out' }).waitFor();

      for (const id of ['m-1', 'm-2', 'm-3']) await cluster.agent(id);
      await untilShown(page, 'm-1', 'pending');
      const fingerprint = (await cluster.node('m-1'))?.Muster.Fingerprint ?? '';
      await row(page, 'm-1').getByText(fingerprint).waitFor();

      await row(page, 'm-1').click();
      await page.getByRole('toolbar').getByRole('button', { name: 'Approve' }).click();
      await dialog(page)
        .getByText(/^muster node approve m-1 --fingerprint \S+$/)
        .waitFor();
      await dialog(page).getByRole('button', { name: 'Approve m-1' }).click();
      await untilShown(page, 'm-1', 'approved');
      await untilDecided('m-1', 'APPROVED');

      await row(page, 'm-2').click();
      await page.getByRole('toolbar').getByRole('button', { name: 'Reject' }).click();
      await dialog(page).getByLabel('Reason').fill('malicious node?');
      await dialog(page).getByText("muster node reject m-2 -m 'malicious node?'").waitFor();
      await dialog(page).getByRole('button', { name: 'Reject m-2' }).click();
      await untilShown(page, 'm-2', 'rejected');
      await untilDecided('m-2', 'REJECTED', 'malicious node?');

      await row(page, 'm-3').click();
      await page.getByRole('toolbar').getByRole('button', { name: 'Delete' }).click();
      const remove = dialog(page).getByRole('button', { name: 'Delete m-3' });
      assert.equal(await remove.isDisabled(), true);
      await dialog(page).getByLabel('Type the id').fill('m-3');
      await remove.click();
      await row(page, 'm-3').waitFor({ state: 'detached' });

      // The node leaves the roll before the answer comes, and the message before it still offers another undo. Each message is
      // there for some seconds only.
      const deleted = page.getByRole('status').locator('.notice', { hasText: 'm-3 deleted' });
      await deleted.getByRole('button', { name: 'Undo' }).click();
      await untilShown(page, 'm-3', 'pending');
      await untilBack('m-3');
    });
  });

  it('decides with the keyboard alone', async () => {
    const token = await cluster.operatorToken();
    // The search looks at fingerprints too, in which there is no 8.
    for (const id of ['k8-1', 'k8-2', 'k8-3']) await cluster.agent(id);
    await browser.withPage(
      address,
      async page => {
        const press = (...keys: string[]) =>
          keys.reduce((done, key) => done.then(() => page.keyboard.press(key)), Promise.resolve());
        await row(page, 'k8-3').waitFor();
        await press('?');
        await dialog(page).waitFor();
        await press('Escape');
        await dialog(page).waitFor({ state: 'detached' });

        await press('/');
        await page.locator('.search:focus').waitFor();
        await page.keyboard.type('k8-');
        await row(page, 'm-1').waitFor({ state: 'detached' });
        // Within the field, letters are only letters.
        await press('Tab', 'j', 'a');
        await dialog(page).waitFor();
        await press('Enter');
        await untilDecided('k8-1', 'APPROVED');
        await untilShown(page, 'k8-1', 'approved');
        // The node changes before the answer comes, and until then keys go to the dialog.
        await dialog(page).waitFor({ state: 'detached' });

        await press('Home', 'r');
        await dialog(page).waitFor();
        await page.keyboard.type('too old');
        await press('Enter');
        await untilDecided('k8-2', 'REJECTED', 'too old');

        await untilShown(page, 'k8-2', 'rejected');
        await dialog(page).waitFor({ state: 'detached' });
        await press('Home', 'd');
        await dialog(page).waitFor();
        await page.keyboard.type('k8-3');
        await press('Enter');
        await row(page, 'k8-3').waitFor({ state: 'detached' });
        const deleted = page.getByRole('status').locator('.notice', { hasText: 'k8-3 deleted' });
        await deleted.waitFor();
        await dialog(page).waitFor({ state: 'detached' });
        await press('u');
        await deleted.locator('button:focus', { hasText: 'Undo' }).waitFor();
        await press('Enter');
        await untilShown(page, 'k8-3', 'pending');
        await untilBack('k8-3');
      },
      { token },
    );
  });
});
