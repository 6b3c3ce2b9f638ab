// Tests that a command knows several requesters by the pins of their CAs, of which each has one of its own.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { requesterApi } from '../../agent/api/client.ts';
import { resolveSettings } from '../../agent/config/load.ts';
import { readEnvironment } from '../../agent/config/sources.ts';
import { caPinsIn } from '../../agent/transport/ca-pin.ts';
import { temporaryFolder } from '../cli/program.ts';
import { cluster, serve } from '../requester/api/api-fixture.ts';
import { makeAuthority, makeCertificate } from '../support/certificates.ts';
import { refusal } from './answering-server.ts';

/** Starts an API whose certificate comes from a CA of its own. Returns it with the pin of that CA. */
async function requester(t: TestContext, folder: string, name: string) {
  const authority = await makeAuthority(folder, `ca-${name}`);
  const { certFile, keyFile } = await makeCertificate(folder, authority, name, 'IP:127.0.0.1');
  const [leaf, key, ca] = await Promise.all(
    [certFile, keyFile, authority.certFile].map(path => readFile(path, 'utf8')),
  );
  const tls = { cert: `${leaf}${ca}`, key: key ?? '', isOwnName: () => true };
  const [pin = ''] = caPinsIn(ca ?? '');
  return { api: await serve(t, cluster(), { tls }), pin };
}

/** Returns a client of requesters that it knows by these pins. */
function clientOf(ports: readonly number[], pins: readonly string[], folder: string) {
  const variables = {
    MUSTER_API_SERVERS: ports.map(port => `https://127.0.0.1:${port}`).join(),
    MUSTER_API_TLS_PIN: pins.join(),
    MUSTER_DATA_DIR: folder,
  };
  const { faults, ...resolved } = resolveSettings([readEnvironment(variables)], undefined);
  assert.deepEqual(faults, []);
  return requesterApi(async () => ({ ...resolved, file: undefined, places: [] }));
}

test('each requester that is tried may have any of the pins, and one with another CA gets nothing', async t => {
  const folder = await temporaryFolder(t);
  const one = await requester(t, folder, 'one');
  const other = await requester(t, folder, 'other');
  const pins = [one.pin, other.pin];
  const both = await clientOf([one.api.port, other.api.port], pins, folder);
  assert.equal((await both.status()).State, 'ready');
  assert.equal(both.url, one.api.url);
  await one.api.stop();
  assert.equal((await both.status()).State, 'ready');
  assert.equal(both.url, other.api.url);
  const stranger = 'A'.repeat(43);
  const wrong = await clientOf([other.api.port], [one.pin, stranger], folder);
  const { code, message } = await refusal(wrong.status());
  assert.deepEqual(
    [code, message],
    [
      'unreachable',
      `what answers at ${other.api.url} has another CA: its pin is ${other.pin}, and ${one.pin} or ${stranger} is expected; nothing was sent to it`,
    ],
  );
});
