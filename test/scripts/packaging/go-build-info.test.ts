// The build information in a program of Go is read as Go itself reads it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { goBuildInfo } from '../../../scripts/packaging/go-build-info.ts';
import { findProgram } from '../../support/find-program.ts';

test('the modules of a nats-server are those that Go lists', async t => {
  const path = await findProgram('nats-server');
  const info = goBuildInfo(await readFile(path));
  assert.match(info?.path ?? '', /^github\.com\/nats-io\/nats-server(\/|$)/);
  assert.match(info?.modules[0]?.path ?? '', /^github\.com\/nats-io\/nats-server(\/v2)?$/);
  assert.match(info?.platform ?? '', /^(linux|darwin)\/(amd64|arm64)$/);
  const go = await findProgram('go').catch(() => undefined);
  if (!go) return t.diagnostic('there is no Go to compare with');
  const { stdout } = await promisify(execFile)(go, ['version', '-m', path]);
  const modules = stdout.matchAll(/^\t(?:mod|dep)\t(\S+)\t(\S+)(?:\t(h1:\S+))?/gm);
  const expected = [...modules].map(([, module, version, sum]) => ({ path: module, version, sum }));
  // Debian's nats-server is built without modules.
  const itself = [{ path: info?.path, version: '(devel)', sum: undefined }];
  assert.deepEqual(info?.modules, expected.length > 0 ? expected : itself);
  assert.equal(info?.go, /: go(\S+)/.exec(stdout)?.[1]);
});

test('a program that Go did not build has no build information', async () => {
  assert.equal(goBuildInfo(await readFile(process.execPath)), undefined);
  assert.equal(goBuildInfo(Buffer.from('\xff Go buildinf:', 'latin1')), undefined);
  assert.equal(goBuildInfo(Buffer.alloc(0)), undefined);
});
