// Finds nats-servers of several versions, and refuses programs that cannot be the broker.
import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type BinarySources, findServerBinary } from '../../agent/broker/binary.ts';
import { silentLog } from '../../agent/system/log.ts';
import { findProgram } from '../support/find-program.ts';

const folder = await mkdtemp(join(tmpdir(), 'muster-binary-'));
after(() => rm(folder, { recursive: true }));

async function program(name: string, script: string): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
  return file;
}

const nobody = () => undefined;
const find = (configured: string | undefined, findOnPath: BinarySources['findOnPath']) =>
  findServerBinary({ configured, findOnPath, log: silentLog });
const install = /install nats-server 2\.10 or newer/;

test('a real nats-server is found, and its version is read', async () => {
  const found = await find(undefined, findProgram);
  assert.match(found.version, /^2\.\d+\.\d+/);
  assert.equal(found.path, await findProgram('nats-server'));
});

test('the first version that is new enough is accepted', async () => {
  for (const version of ['2.10.0', '2.11.0-RC.1', '3.0.0'])
    assert.equal(
      (await find(await program('new', `echo "nats-server: v${version}"`), nobody)).version,
      version,
    );
});

test('a server that is too old is refused with its version', async () => {
  for (const version of ['2.9.25', '1.99.0', '0.9.6']) {
    const path = await program('old', `echo "nats-server: v${version}"`);
    await assert.rejects(find(path, nobody), {
      name: 'MusterError',
      message: `${path} (broker.binary) is nats-server ${version}; at least 2.10 is needed`,
      hint: install,
    });
    await assert.rejects(
      find(undefined, () => path),
      { message: `${path} is nats-server ${version}; at least 2.10 is needed` },
    );
  }
});

test('no server, another program, and a program that does not run are refused', async () => {
  await assert.rejects(find(undefined, nobody), {
    code: 'not_found',
    message: 'there is no nats-server on PATH to be the broker',
    hint: install,
  });
  const other = await program('other', 'printf "hello\\033[31m"');
  await assert.rejects(find(other, nobody), {
    message: `${other} (broker.binary) is not a nats-server: it says "hello\\u001b[31m"`,
  });
  const missing = join(folder, 'missing');
  await assert.rejects(find(missing, nobody), {
    message: new RegExp(`^cannot run ${missing} \\(broker\\.binary\\) to ask for its version: .*ENOENT`),
  });
  await assert.rejects(find(await program('fails', 'exit 3'), nobody), {
    message: /^cannot run .*fails/,
  });
});
