// Changes a token file and reloads, against a real server that accepts the new token.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createCredentialReloader } from '../../agent/roles/reload-credentials.ts';
import { connectTo, stateOf } from '../support/connections.ts';
import { recordLog } from '../support/log-lines.ts';
import { startNatsServer } from '../support/nats-server.ts';

test('a changed token file makes the connection again with it, and an equal or unreadable one changes nothing', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'muster-reload-'));
  t.after(() => rm(folder, { recursive: true }));
  const tokenFile = join(folder, 'token');
  await writeFile(tokenFile, 'alice-token');
  const server = await startNatsServer({
    jetstream: false,
    config: 'authorization { token: "alice-token" }',
  });
  t.after(() => server.release());
  const connection = connectTo(server.url, { credentials: () => ({ tokenFile }) });
  await connection.connected();
  const { log, lines } = recordLog();
  const reload = createCredentialReloader({ tokenFile }, connection, log);
  await reload();
  assert.deepEqual([connection.state.kind, lines], ['connected', []]);

  await writeFile(tokenFile, 'bob-token');
  const lost = stateOf(connection, 'disconnected');
  await reload();
  await lost;
  assert.match(lines[0]?.message ?? '', /credentials for the broker changed/);
  await server.stop();
  await server.start('authorization { token: "bob-token" }');
  await connection.connected();

  await rm(tokenFile);
  await reload();
  assert.equal(connection.state.kind, 'connected');
  assert.match(lines[1]?.message ?? '', /cannot be read; the connection stays/);
});
