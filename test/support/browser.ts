// Runs a real Chromium for a test, without a window. A page of it must be quiet: an error on its console, something that its
// security policy refused, an uncaught exception or a request to another host fails the test.
import assert from 'node:assert/strict';
import {
  type BrowserContextOptions,
  type Browser as Chromium,
  type ConsoleMessage,
  chromium,
  type Page,
} from 'playwright-core';
import { findProgram } from './find-program.ts';

const program = await findChromium();

/** Why tests that need a browser are left out; false where there is one. */
export const withoutBrowser = program === undefined && 'there is no Chromium for the pages';

export interface PageOptions extends BrowserContextOptions {
  /** Errors of the console that the test provokes, such as the answer 409 that it waits for. */
  expects?: RegExp[];
  /** The operator's token with which the page is signed in. */
  token?: string;
  /** JavaScript that the page runs before its own. */
  script?: string;
}

/** The limit of each wait for a page, in milliseconds. Only a failing test reaches it. */
const waitMs = 60_000;

export class Browser {
  readonly #chromium: Chromium;

  /** Starts Chromium. It ends with this process. */
  static async start(): Promise<Browser> {
    // Chromium runs as root only without its sandbox, and CI runs as root. A page of the tests holds nothing foreign.
    const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    const options = { executablePath: program ?? '', args, timeout: waitMs };
    return new Browser(await chromium.launch(options));
  }

  private constructor(running: Chromium) {
    this.#chromium = running;
  }

  /**
   * Opens a page with a storage of its own, such as that of a phone or in dark colours, and closes it after `work`.
   * @throws AssertionError when the page was not quiet
   */
  async withPage<T>(
    address: string,
    work: (page: Page) => Promise<T>,
    { expects = [], token, script, ...options }: PageOptions = {},
  ): Promise<T> {
    const context = await this.#chromium.newContext({ locale: 'en-GB', timezoneId: 'UTC', ...options });
    try {
      context.setDefaultTimeout(waitMs);
      if (token !== undefined)
        await context.addInitScript(`sessionStorage.setItem('muster-token', ${JSON.stringify(token)})`);
      if (script !== undefined) await context.addInitScript(script);
      const page = await context.newPage();
      const faults = faultsOf(page, new URL(address).origin, expects);
      await page.goto(address);
      const result = await work(page).catch(cause => {
        throw new Error(`the page failed${faults.map(fault => `\n${fault}`).join('')}`, { cause });
      });
      assert.deepEqual(faults, []);
      return result;
    } finally {
      await context.close();
    }
  }

  async close(): Promise<void> {
    await this.#chromium.close();
  }
}

/** Returns the memory of the page's JavaScript after all garbage is collected. */
export async function heapBytes(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  await session.detach();
  return usedSize;
}

/** Returns a list that grows with each fault of a page. */
function faultsOf(page: Page, origin: string, expects: RegExp[]): string[] {
  const faults: string[] = [];
  const onFault = (text: string) => {
    if (!expects.some(pattern => pattern.test(text))) faults.push(text);
  };
  // What the policy refuses is an error of the console too.
  page.on('console', message => {
    if (message.type() === 'error') onFault(textOf(message));
  });
  page.on('pageerror', error => onFault(`uncaught: ${error.stack ?? error.message}`));
  page.on('request', request => {
    const { origin: asked, protocol } = new URL(request.url());
    if (asked !== origin && protocol !== 'data:' && protocol !== 'blob:') onFault(`asked ${request.url()}`);
  });
  return faults;
}

function textOf(message: ConsoleMessage): string {
  return `console: ${message.text()} (${message.location().url})`;
}

/** Returns the path of Debian's Chromium, or of another one on PATH. */
async function findChromium(): Promise<string | undefined> {
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    const path = await findProgram(name).catch(() => undefined);
    if (path !== undefined) return path;
  }
  return undefined;
}
