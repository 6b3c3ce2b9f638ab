// The browser of the tests finds what a page must not do.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { Browser, type PageOptions, withoutBrowser } from './browser.ts';

describe('the browser of the tests', { skip: withoutBrowser }, () => {
  let browser: Browser;
  let server: Server;
  let address: string;
  let html = '';

  before(async () => {
    server = createServer(({ url }, answer) => {
      answer.setHeader('content-type', 'text/html');
      answer.setHeader('content-security-policy', "style-src 'self'");
      answer.statusCode = url === '/' ? 200 : 404;
      answer.end(`<!doctype html><link rel="icon" href="data:,"><title>A page</title>${html}`);
    }).listen(0, '127.0.0.1');
    await new Promise(resolve => server.once('listening', resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    browser = await Browser.start();
  });
  after(async () => {
    await browser?.close();
    server?.closeAllConnections();
    server?.close();
  });

  // Returns the title of a page with this body, once its scripts have run.
  async function open(body: string, options?: PageOptions): Promise<string> {
    html = `${body}<script>document.title = 'Its scripts have run';</script>`;
    return browser.withPage(address, page => page.title(), options);
  }

  it('accepts a quiet page', async () => {
    assert.equal(await open('<p>Good morning.'), 'Its scripts have run');
  });

  const faults: [name: string, body: string, expected: RegExp][] = [
    ['an error on the console', "<script>console.error('no good')</script>", /console: no good/],
    ['an uncaught exception', "<script>throw new Error('thrown')</script>", /uncaught: Error: thrown/],
    ['a style that the policy refuses', '<p style="color: red">', /Content Security Policy/],
    ['a file that is missing', '<script src="/missing.js"></script>', /404/],
    ['a request to another host', '<img src="http://127.0.0.2:1/a.png" alt="">', /asked http:..127.0.0.2:1/],
  ];
  for (const [name, body, expected] of faults) {
    it(`finds ${name}`, async () => {
      await assert.rejects(open(body), expected);
    });
  }

  it('accepts an error that the test expects', async () => {
    await open('<script src="/missing.js"></script>', { expects: [/404/] });
  });
});
