// What happens while a page is open: its requester is killed and started again, another requester takes over, two operators
// decide about the same node, and a token ends. The page says so, and loses nothing.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { Browser, withoutBrowser } from '../support/browser.ts';
import { Cluster } from '../support/cluster.ts';
import type { Program } from '../support/program.ts';
import { TwoRequesters } from '../support/two-requesters.ts';

const row = (page: Page, id: string) => page.locator(`[role=row][data-id="${id}"]`);
const dialog = (page: Page) => page.getByRole('dialog');
const shown = (page: Page, id: string, approval: string) =>
  row(page, id).locator('.tag', { hasText: approval });
const action = (page: Page, name: string) => page.getByRole('toolbar').getByRole('button', { name });

/** What a browser writes to its console when nobody answers, a requester still starts, or an answer is cut short. */
const noAnswer = [
  /ERR_CONNECTION_REFUSED/,
  /ERR_INCOMPLETE_CHUNKED_ENCODING/,
  /ERR_CONNECTION_RESET/,
  /ERR_EMPTY/,
  /503/,
];

describe('an open page', { skip: withoutBrowser }, () => {
  let browser: Browser;
  let cluster: Cluster;
  let requester: Program;
  let address: string;
  let token: string;

  before(async () => {
    [browser, cluster] = await Promise.all([Browser.start(), Cluster.create()]);
    requester = await cluster.requester();
    address = `http://127.0.0.1:${cluster.apiPort}/`;
    token = await cluster.operatorToken();
    await Promise.all(['n-1', 'n-2'].map(id => cluster.agent(id)));
  });
  after(async () => {
    await browser?.close();
    await cluster?.release();
  });

  it('says that its requester is away, and catches up when it is back', async () => {
    await browser.withPage(
      `${address}#/nodes?search=n-`,
      async page => {
        await shown(page, 'n-1', 'pending').waitFor();
        await requester.kill();
        const alert = page
          .getByRole('alert')
          .filter({ hasText: 'The requester does not answer, trying again.' });
        await alert.waitFor();
        // What was known stays, and so does the place.
        assert.equal(await row(page, 'n-1').count(), 1);
        requester = await cluster.requester();
        await cluster.decide('n-1', 'approve');
        await shown(page, 'n-1', 'approved').waitFor();
        await alert.waitFor({ state: 'detached' });
        assert.match(page.url(), /search=n-$/);
        await row(page, 'n-1').click();
        await action(page, 'Cordon').click();
        await dialog(page).getByRole('button', { name: 'Cordon n-1' }).click();
        await row(page, 'n-1').getByText('cordoned').waitFor();
      },
      { token, expects: noAnswer },
    );
  });

  it('refuses what another operator has decided meanwhile, and shows it', async () => {
    await browser.withPage(
      address,
      async page => {
        await row(page, 'n-2').click();
        await action(page, 'Reject').click();
        await dialog(page).getByLabel('Reason').fill('too old');
        await cluster.decide('n-2', 'approve');
        await dialog(page).getByText('approved by local meanwhile').waitFor();
        await dialog(page).getByRole('button', { name: 'Reject n-2' }).click();
        await page.getByRole('status').getByText('n-2 not rejected').waitFor();
        assert.equal((await cluster.node('n-2'))?.Membership, 'APPROVED');
      },
      { token, expects: [/409/] },
    );
  });

  it('overwrites no cordon and no label that another operator has set meanwhile', async () => {
    const refused = (text: string) => (page: Page) => page.getByRole('status').getByText(text).waitFor();
    await browser.withPage(
      address,
      async page => {
        await row(page, 'n-2').click();
        await action(page, 'Cordon').click();
        await dialog(page).getByLabel('Reason').fill('disk swap');
        await cluster.output('node', 'cordon', 'n-2', '-m', 'kernel update', ...own(cluster));
        await dialog(page).getByText('cordoned by local meanwhile').waitFor();
        await dialog(page).getByRole('button', { name: 'Cordon n-2' }).click();
        await refused('node n-2 was cordoned by local meanwhile')(page);
        assert.equal((await cluster.node('n-2'))?.Muster.Cordon?.Reason, 'kernel update');

        await action(page, 'Label').click();
        await dialog(page).getByLabel('Labels').fill('rack=b8');
        await cluster.output('node', 'label', 'n-2', 'rack=b7', ...own(cluster));
        await dialog(page).getByText('labelled rack=b7 by local meanwhile').waitFor();
        await dialog(page).getByRole('button', { name: 'Label n-2' }).click();
        await refused('the label rack of node n-2 was set to "b7" by local meanwhile')(page);
        assert.equal((await cluster.node('n-2'))?.Muster.Labels?.rack, 'b7');

        // Whoever has seen it may change it.
        await action(page, 'Label').click();
        await dialog(page).getByLabel('Labels').fill('rack=b8');
        await dialog(page).getByRole('button', { name: 'Label n-2' }).click();
        await row(page, 'n-2').getByText('rack=b8').waitFor();
      },
      { token, expects: [/409/] },
    );
  });

  it('of an operator who may only read has nothing to decide with, and ends with the token', async () => {
    const auditor = (
      await cluster.output('operator', 'create', 'auditor', '--read-only', ...own(cluster))
    ).trim();
    await browser.withPage(
      address,
      async page => {
        await page.getByText('auditor (may only read)').waitFor();
        await row(page, 'n-1').click();
        assert.equal(await action(page, 'Reject').count(), 0);
        await page.goto(`${address}#/cluster`);
        await page.getByText('To make and revoke codes here, sign in with a token').waitFor();
        await cluster.output('operator', 'revoke', 'auditor', ...own(cluster));
        await page.getByRole('heading', { name: 'Sign in' }).waitFor();
      },
      { token: auditor, expects: [/401/, ...noAnswer] },
    );
  });

  it('with a wrong token says so, and takes the right one', async () => {
    await browser.withPage(
      address,
      async page => {
        await page.getByText("This is no operator's token that the requester knows.").waitFor();
        await page.getByLabel("Operator's token").fill(token);
        await page.getByRole('button', { name: 'Sign in' }).last().click();
        await row(page, 'n-1').waitFor();
      },
      { token: `mop_${'a'.repeat(43)}`, expects: [/401/] },
    );
  });
});

describe('a page of one of two requesters', { skip: withoutBrowser }, () => {
  it('goes on when the other one is killed and this one takes over', async () => {
    const browser = await Browser.start();
    const two = await TwoRequesters.start();
    try {
      const { watcher, standby } = await two.roles();
      const [{ id = '' } = {}] = await two.join(['t-1']);
      await browser.withPage(`http://127.0.0.1:${standby.port}/#/cluster`, async page => {
        const watching = (name: string) =>
          page.getByRole('row').filter({ hasText: name }).getByText('watches over the roll');
        await watching(watcher.id).waitFor();
        await watcher.program?.kill();
        await watching(standby.id).waitFor();
        await page.goto(`http://127.0.0.1:${standby.port}/#/nodes`);
        await shown(page, id, 'pending').waitFor();
        assert.equal(await standby.decide(id, 'approve', 'after the takeover'), 200);
        await shown(page, id, 'approved').waitFor();
      });
    } finally {
      await browser.close();
      await two.release();
    }
  });
});

/** The flags by which a command shows the token of the requester's machine. */
const own = (cluster: Cluster): string[] => [
  '--api-token-file',
  join(cluster.folderOf('node-0'), 'requester', 'operator.token'),
];
