// A release of the packaged file is checked, unpacked and run as a user does it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, link, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { version } from '../../agent/system/version.ts';
import type { Built } from '../../scripts/packaging/build.ts';
import { type Released, release } from '../../scripts/packaging/release.ts';
import { ownTarget } from '../../scripts/packaging/target.ts';
import { findProgram } from '../support/find-program.ts';
import { cannotPackage, packaged } from '../support/packaged.ts';
import { newFolder } from '../support/temporary.ts';

const run = promisify(execFile);
const sha256sum = await findProgram('sha256sum').catch(() => undefined);

describe('a release of the packaged file', { skip: cannotPackage }, () => {
  let built: Built;
  let folder: string;
  let released: Released;
  const path = (what: string) => released.files.find(file => file.what === what)?.path ?? '';

  before(async () => {
    built = await packaged();
    folder = await newFolder();
    const file = join(folder, 'muster');
    await link(built.file, file).catch(() => copyFile(built.file, file));
    const target = ownTarget() ?? assert.fail('there is no target');
    released = await release({ built, target, date: new Date('2026-11-24'), fast: true, folder });
  });

  it('agrees with its checksums', { skip: sha256sum ? false : 'there is no sha256sum' }, async () => {
    const { stdout } = await run(sha256sum ?? '', ['--check', 'SHA256SUMS'], { cwd: folder });
    const names = stdout
      .trimEnd()
      .split('\n')
      .map(line => line.replace(/: OK$/, ''));
    const others = released.files.filter(({ what }) => what !== 'checksums');
    assert.deepEqual(names, ['muster', ...others.map(file => file.path.slice(folder.length + 1))].sort());
  });

  it('unpacks to a program that runs', async () => {
    const to = await newFolder();
    const tar = join(to, 'archive.tar');
    await writeFile(tar, await promisify(zstdDecompress)(await readFile(path('archive'))));
    await run('tar', ['-xf', tar, '-C', to, '--strip-components=1']);
    const { stdout } = await run(join(to, 'muster'), ['version'], { env: {} });
    assert.equal(stdout, `muster ${version}\n`);
  });

  it('has every part of the notices in its bill of materials', async () => {
    const { components } = JSON.parse(await readFile(path('SBOM'), 'utf8')) as {
      components: { group?: string; name: string; version: string }[];
    };
    const listed = new Set(
      components.map(({ group, name, version: of }) => `${group ? `${group}/` : ''}${name} ${of}`),
    );
    const notices = await readFile(built.parts['THIRD-PARTY-NOTICES'] ?? '', 'utf8');
    const lines = notices.split('='.repeat(78), 1)[0]?.match(/^ {2}.+? \S+(?=: )/gm) ?? [];
    // The program itself contains the parts, and the notices have no version of Go's runtime.
    const names = lines.map(line => line.trim()).filter(line => !/^(muster|Go) /.test(line));
    assert.ok(names.length > 30, names.join());
    // A broker that was built without a version has the version that it prints.
    for (const name of names) assert.ok(listed.has(name) || /nats-server.* \(devel\)$/.test(name), name);
  });

  it('has at most 45 MB compressed, with the pinned broker, which has 6 MB', async () => {
    const { size } = await stat(path('archive'));
    const { size: broker } = await stat(built.parts['nats-server.zst'] ?? '');
    assert.ok(size - broker <= 39e6, String(size - broker));
  });
});
