// Runs `muster ui` as an operator does, and signs in with what it prints.
import assert from 'node:assert/strict';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openBrowser } from '../../../agent/cli/commands/open-browser.ts';
import { systemEnvironment } from '../../../agent/config/environment.ts';
import { call, cluster, serve } from '../../requester/api/api-fixture.ts';
import { eventually } from '../../support/eventually.ts';
import { tokens } from '../../support/fake-operators.ts';
import { muster, temporaryFolder } from '../program.ts';

async function begin(t: TestContext) {
  const api = await serve(t, cluster());
  const run = (...args: string[]) =>
    muster(t, ['ui', ...args], {
      env: { MUSTER_API_PORT: String(api.port), MUSTER_API_TOKEN: tokens.reader },
    });
  return { api, run };
}

test('it prints an address that signs one browser in', async t => {
  const { api, run } = await begin(t);
  const { code, stdout, stderr } = await run();
  assert.equal(code, 0, stderr);
  const [, Code = ''] = /^http:\/\/127\.0\.0\.1:\d+\/#signin=([A-Za-z0-9_-]{22})\n$/.exec(stdout) ?? [];
  assert.ok(Code, stdout);
  assert.equal(stderr, 'Open it in a browser. It signs in once, within 60 s.\n');
  const body = JSON.stringify({ Code });
  const signedIn = await call(api, '/api/v1/auth/page', { method: 'POST', token: '', body });
  assert.equal(signedIn.json().Operator, 'reader');
});

test('a browser is opened by a file that only this user can read, and the secret is in no argument', async t => {
  const folder = await temporaryFolder(t);
  const argumentsFile = join(folder, 'arguments');
  const opener = join(folder, process.platform === 'darwin' ? 'open' : 'xdg-open');
  await writeFile(
    opener,
    `#!/bin/sh\nprintf '%s\\n' "$@" > ${argumentsFile}.new\nmv ${argumentsFile}.new ${argumentsFile}\n`,
  );
  await chmod(opener, 0o755);
  const cache = join(folder, 'cache');
  const environment = {
    ...systemEnvironment,
    root: false,
    variables: { PATH: folder, DISPLAY: ':0' },
    user: async () => ({ config: folder, data: folder, cache }),
  };
  const address = 'http://127.0.0.1:1234/#signin=AAAAAAAAAAAAAAAAAAAAAA';
  assert.equal(await openBrowser(address, environment), true);
  const read = () => readFile(argumentsFile, 'utf8').catch(() => '');
  await eventually('the browser was asked', async () => (await read()) !== '');
  assert.equal(await read(), `file://${cache}/sign-in.html\n`);
  assert.match(
    await readFile(join(cache, 'sign-in.html'), 'utf8'),
    /content="0; url=http:\/\/127.0.0.1:1234\/#signin=A+"/,
  );
  assert.equal((await stat(join(cache, 'sign-in.html'))).mode & 0o777, 0o600);
  for (const variables of [
    { PATH: folder, DISPLAY: ':0', SSH_CONNECTION: 'x' },
    { PATH: '/nowhere', DISPLAY: ':0' },
  ])
    assert.equal(await openBrowser(address, { ...environment, variables }), false);
  assert.equal(await openBrowser(address, { ...environment, root: true }), false);
});
