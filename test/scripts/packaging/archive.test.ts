// The archive has the right files when tar unpacks it, and the same bytes at any time.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { roles } from '../../../agent/config/role.ts';
import { configSchema } from '../../../agent/config/schema.ts';
import { readSeal } from '../../../agent/service/seal.ts';
import { type ArchiveOptions, archive, archiveName } from '../../../scripts/packaging/archive.ts';
import type { Built } from '../../../scripts/packaging/build.ts';
import { companions } from '../../../scripts/packaging/companions.ts';
import { type TargetName, targetOf } from '../../../scripts/packaging/target.ts';
import { linksOf } from '../../support/pages.ts';
import { newFolder } from '../../support/temporary.ts';
import { smallBuild } from './small-build.ts';

const date = new Date('2026-11-24T12:00:00Z');

describe('the archive', () => {
  let built: Built;
  const optionsFor = async (name: TargetName): Promise<ArchiveOptions> => ({
    target: targetOf(name),
    version: '1.2.3',
    executable: built.file,
    companions: await companions(built),
    date,
    fast: true,
  });

  before(async () => {
    built = await smallBuild(await newFolder());
  });

  /** Unpacks the archive for target `name` and returns the one folder that is in it. */
  async function unpacked(name: TargetName): Promise<string> {
    const folder = await newFolder();
    const file = join(folder, 'archive.tar');
    await writeFile(file, await promisify(zstdDecompress)(await archive(await optionsFor(name))));
    const all = join(folder, 'all');
    await mkdir(all);
    await promisify(execFile)('tar', ['-xf', file, '-C', all]);
    assert.deepEqual(await readdir(all), [`muster-1.2.3-${name}`]);
    return join(all, archiveName('1.2.3', targetOf(name)));
  }

  it('contains the executable, licences, documentation, a configuration, units, completions and a manual', async () => {
    const folder = await unpacked('linux-x64');
    const found = (await readdir(folder, { recursive: true, withFileTypes: true }))
      .filter(entry => entry.isFile())
      .map(entry => join(entry.parentPath, entry.name).slice(folder.length + 1));
    assert.deepEqual(
      found.sort(),
      [
        'CHANGELOG.md',
        'LICENSE',
        'README.md',
        'SECURITY.md',
        'THIRD-PARTY-NOTICES',
        'completions/_muster',
        'completions/muster.bash',
        'completions/muster.fish',
        'config.schema.json',
        'config.yaml',
        'docs/bacalhau.md',
        'docs/configure.md',
        'docs/install.md',
        'docs/messages.md',
        'docs/monitoring.md',
        'docs/operate.md',
        'docs/scheduler.md',
        'docs/security.md',
        'docs/sizing.md',
        'docs/troubleshooting.md',
        'docs/walk.svg',
        'man/muster.1',
        'muster',
        'scripts/monitoring/alerts.yml',
        'scripts/monitoring/dashboard.json',
        'scripts/monitoring/prometheus.yml',
        ...roles.map(role => `systemd/muster-${role}.service`),
      ].sort(),
    );
    assert.ok((await readFile(join(folder, 'muster'))).equals(await readFile(built.file)));
    for (const name of found) {
      const { mode, size, mtime } = await stat(join(folder, name));
      assert.ok(size > 0, name);
      assert.equal(mode & 0o700, name === 'muster' ? 0o700 : 0o600, name);
      assert.equal(mtime.getTime(), date.getTime(), name);
    }
  });

  it('has a configuration that names its schema, and units that muster recognises as its own', async () => {
    const folder = await unpacked('linux-x64');
    const text = (name: string) => readFile(join(folder, name), 'utf8');
    const schema = /^# yaml-language-server: \$schema=(\S+)$/m.exec(await text('config.yaml'))?.[1] ?? '';
    assert.deepEqual(JSON.parse(await text(schema)), configSchema());
    for (const role of roles) {
      const unit = await text(`systemd/muster-${role}.service`);
      assert.equal(readSeal(unit), 'whole');
      assert.match(unit, new RegExp(`^ExecStart=/usr/local/bin/muster ${role}$`, 'm'));
    }
  });

  it('has pages whose links all lead to files in it', async () => {
    const folder = await unpacked('linux-x64');
    const names = (await readdir(folder, { recursive: true })).filter(name => name.endsWith('.md'));
    assert.ok(names.length > 8);
    for (const name of names) {
      for (const link of linksOf(await readFile(join(folder, name), 'utf8')))
        await stat(join(folder, dirname(name), link.split('#')[0] || basename(name)));
    }
  });

  it('has the files of launchd and newsyslog for macOS', async () => {
    const folder = await unpacked('darwin-arm64');
    for (const role of roles) {
      assert.match(
        await readFile(join(folder, `launchd/org.muster.${role}.plist`), 'utf8'),
        new RegExp(`<string>/usr/local/bin/muster</string>\\s*<string>${role}</string>`),
      );
      assert.match(
        await readFile(join(folder, `newsyslog/org.muster.${role}.conf`), 'utf8'),
        new RegExp(`^/var/log/muster-${role}\\.log `, 'm'),
      );
    }
    assert.ok(!(await readdir(folder)).includes('systemd'));
  });

  it('is the same each time it is made, and root owns all its files', async () => {
    const bytes = await archive(await optionsFor('linux-x64'));
    assert.ok(bytes.equals(await archive(await optionsFor('linux-x64'))));
    const tar = await promisify(zstdDecompress)(bytes);
    // User and group of the first file, in octal.
    assert.equal(tar.toString('latin1', 108, 124), '0000000\0'.repeat(2));
  });
});
