// Tests what a backup says of a NATS that does not let it copy the store.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { resolveSettings } from '../../agent/config/load.ts';
import { backUp } from '../../agent/roles/run-backup.ts';
import { makeNatsServer } from '../support/nats-server.ts';
import { newFolder } from '../support/temporary.ts';

test('a NATS that stores nothing is no fault of muster, and no file is left', async t => {
  const server = await makeNatsServer({ jetstream: false });
  t.after(() => server.release());
  await server.start();
  const data = await newFolder();
  const { settings } = resolveSettings([], undefined);
  const way = { servers: [server.url], credentials: {}, tls: undefined };
  const backup = backUp({ path: join(data, 'muster.backup'), data, settings, running: undefined, way });
  await assert.rejects(backup, {
    name: 'MusterError',
    code: 'unreachable',
    message: /^the store cannot be copied: the broker stores nothing/,
    hint: /no backup was made/,
  });
  assert.deepEqual(await readdir(data), []);
});
