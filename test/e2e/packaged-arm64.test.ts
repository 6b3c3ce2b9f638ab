// The packaged file for linux-arm64 is made on another kind of machine and run by an emulator.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { zstdDecompressSync } from 'node:zlib';
import { reasonOf } from '../../agent/system/errors.ts';
import type { Built } from '../../scripts/packaging/build.ts';
import { targetOf } from '../../scripts/packaging/target.ts';
import { Cluster } from '../support/cluster.ts';
import { findProgram } from '../support/find-program.ts';
import { packagedFor } from '../support/packaged.ts';
import { muster } from '../support/program.ts';
import { readShown } from '../support/read-shown.ts';
import { newFolder } from '../support/temporary.ts';

/** The folder for arm64 libraries on Debian (packages libc6-arm64-cross, libstdc++6-arm64-cross, libatomic1-arm64-cross). */
const libraries = '/usr/aarch64-linux-gnu';

// Debian 13 has it under the shorter name.
const emulator = await findProgram('qemu-aarch64-static')
  .catch(() => findProgram('qemu-aarch64'))
  .catch(() => undefined);

async function whyNot(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.arch === 'arm64')
    return 'this test is for Linux on another processor';
  if (!emulator) return 'there is no qemu-aarch64-static (Debian: qemu-user-static)';
  for (const name of ['ld-linux-aarch64.so.1', 'libstdc++.so.6', 'libatomic.so.1'])
    if (!(await exists(join(libraries, 'lib', name)))) return `there is no ${name} for arm64 in ${libraries}`;
  return undefined;
}

test('the file for linux-arm64 runs: version, probe, an agent that registers, and the broker', async t => {
  const why = await whyNot();
  if (why) return t.skip(why);
  let built: Built;
  try {
    built = await packagedFor(targetOf('linux-arm64'));
  } catch (error) {
    // Its Node is downloaded from npm, and Go downloads the sources of its broker.
    if (/^(npm|go) failed|there is no nats-server/.test(reasonOf(error))) return t.skip(reasonOf(error));
    throw error;
  }
  const emulated = [emulator ?? '', '-L', libraries];
  const program = [...emulated, built.file];

  const version = await muster(['version', '-o', 'json'], { program });
  assert.deepEqual([version.code, version.stderr], [0, '']);
  const said = readShown<Record<string, unknown>>(version.stdout);
  assert.deepEqual([said.platform, said.arch, said.packaged], ['linux', 'arm64', built.contents]);

  // The inventory is not checked: the emulated agent cannot start its own file as a child.
  const probe = await muster(['probe', '-o', 'json'], { program });
  const { sources } = readShown<{
    sources: { source: string; fault?: { reason: string } }[];
  }>(probe.stdout);
  const native = sources.find(({ source }) => source === 'native probe');
  if ('missing' in built.contents.probe) assert.match(native?.fault?.reason ?? '', /is not in this file: /);
  else assert.deepEqual([native?.source, native?.fault], ['native probe', undefined]);

  const cluster = await Cluster.create();
  t.after(() => cluster.release());
  await cluster.requester();
  await cluster.agent('arm', {}, { program });
  await cluster.until('arm', 'PENDING HEALTHY');
  assert.equal((await cluster.node('arm'))?.Info.Labels?.Architecture, 'arm64');

  const server = join(await newFolder(), 'nats-server');
  const packed = await readFile(built.parts['nats-server.zst'] ?? '');
  await writeFile(server, zstdDecompressSync(packed), { mode: 0o755 });
  const { stdout } = await promisify(execFile)(emulator ?? '', [server, '--version']);
  const { broker } = built.contents;
  assert.equal(stdout, 'version' in broker && `nats-server: v${broker.version}\n`);
});

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
