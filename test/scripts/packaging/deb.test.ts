// dpkg reads a Debian package that is made of a small program, and lintian finds no fault in it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { companions } from '../../../scripts/packaging/companions.ts';
import { debName, whyNoDeb, writeDeb } from '../../../scripts/packaging/deb.ts';
import { maintainerScripts } from '../../../scripts/packaging/deb-scripts.ts';
import { ownTarget, targetOf } from '../../../scripts/packaging/target.ts';
import { findProgram } from '../../support/find-program.ts';
import { newFolder } from '../../support/temporary.ts';
import { smallBuild } from './small-build.ts';

const run = promisify(execFile);
// The package contains a small program of this machine.
const target = ownTarget() ?? targetOf('linux-x64');
const date = new Date('2026-11-24T12:00:00Z');
const skip = process.platform === 'linux' ? ((await whyNoDeb(target)) ?? false) : 'dpkg runs on Linux only';
const lintian = await findProgram('lintian').catch(() => undefined);

describe('the Debian package', { skip }, () => {
  let file: string;

  const make = async (version = '1.2.3-rc.1', fast = true): Promise<string> => {
    const built = await smallBuild(await newFolder());
    const changelog = `# Changelog\n\n## ${version}\n\n- Something.\n`;
    const texts = { ...(await companions(built)), changelog };
    const options = { target, version, executable: built.file, carried: [], companions: texts, date, fast };
    return writeDeb(options, await newFolder());
  };
  const control = async (field: string) => (await run('dpkg-deb', ['--field', file, field])).stdout.trim();

  before(async () => {
    file = await make();
  });

  it('has a name, a version, a description and dependencies', async () => {
    assert.equal(file.endsWith(`/muster_1.2.3~rc.1_${target.goArch}.deb`), true);
    assert.equal(debName('1.2.3', targetOf('linux-arm64')), 'muster_1.2.3_arm64.deb');
    assert.equal(await control('Package'), 'muster');
    assert.equal(await control('Version'), '1.2.3~rc.1');
    assert.equal(await control('Architecture'), target.goArch);
    assert.match(await control('Depends'), /^libc6( \(>= 2\.\d+\))?$/);
    assert.match(await control('Installed-Size'), /^\d+$/);
    assert.match(await control('Description'), /^keeps the roll of a compute cluster\n/);
  });

  it('has each file in its place, owned by root and with the same time', async () => {
    const { stdout } = await run('dpkg-deb', ['--contents', file], { env: { ...process.env, TZ: 'UTC' } });
    const rows = stdout.trimEnd().split('\n');
    for (const row of rows)
      assert.match(row, /^(drwxr-xr-x|-rw-r--r--|-rwxr-xr-x) root\/root +\d+ 2026-11-24 12:00 \.\//);
    const files = rows.filter(row => row.startsWith('-')).map(row => row.replace(/^.* \.\//, '/'));
    assert.deepEqual(
      files.sort(),
      [
        '/etc/muster/config.yaml',
        '/usr/bin/muster',
        '/usr/lib/systemd/system-preset/50-muster.preset',
        '/usr/lib/systemd/system/muster-agent.service',
        '/usr/lib/systemd/system/muster-requester.service',
        '/usr/lib/sysusers.d/muster.conf',
        '/usr/share/bash-completion/completions/muster',
        '/usr/share/doc/muster/README.md.gz',
        '/usr/share/doc/muster/SECURITY.md.gz',
        '/usr/share/doc/muster/docs/bacalhau.md.gz',
        '/usr/share/doc/muster/docs/configure.md.gz',
        '/usr/share/doc/muster/docs/install.md.gz',
        '/usr/share/doc/muster/docs/messages.md.gz',
        '/usr/share/doc/muster/docs/monitoring.md.gz',
        '/usr/share/doc/muster/docs/operate.md.gz',
        '/usr/share/doc/muster/docs/scheduler.md.gz',
        '/usr/share/doc/muster/docs/security.md.gz',
        '/usr/share/doc/muster/docs/sizing.md.gz',
        '/usr/share/doc/muster/docs/troubleshooting.md.gz',
        '/usr/share/doc/muster/docs/walk.svg.gz',
        '/usr/share/doc/muster/scripts/monitoring/alerts.yml.gz',
        '/usr/share/doc/muster/scripts/monitoring/dashboard.json.gz',
        '/usr/share/doc/muster/scripts/monitoring/prometheus.yml.gz',
        '/usr/share/doc/muster/THIRD-PARTY-NOTICES.gz',
        '/usr/share/doc/muster/changelog.gz',
        '/usr/share/doc/muster/copyright',
        '/usr/share/fish/vendor_completions.d/muster.fish',
        '/usr/share/lintian/overrides/muster',
        '/usr/share/man/man1/muster.1.gz',
        '/usr/share/muster/config.schema.json',
        '/usr/share/zsh/vendor-completions/_muster',
      ].sort(),
    );
    assert.match(rows.find(row => row.endsWith('/usr/bin/muster')) ?? '', /^-rwxr-xr-x/);
  });

  it('has correct checksums, scripts that a shell can read, and one configuration file', async () => {
    const folder = await newFolder();
    await run('dpkg-deb', ['--raw-extract', file, folder]);
    await run('md5sum', ['--check', '--strict', 'DEBIAN/md5sums'], { cwd: folder });
    assert.equal(await readFile(join(folder, 'DEBIAN/conffiles'), 'utf8'), '/etc/muster/config.yaml\n');
    for (const name of Object.keys(maintainerScripts)) await run('sh', ['-n', join(folder, 'DEBIAN', name)]);
    const unit = await readFile(join(folder, 'usr/lib/systemd/system/muster-agent.service'), 'utf8');
    assert.match(unit, /^ExecStart=\/usr\/bin\/muster agent$/m);
    assert.match(unit, /^SupplementaryGroups=render video$/m);
    // Units with this mark are those that "muster service install" writes and replaces.
    assert.doesNotMatch(unit, /Written by/);
    const manual = gunzipSync(await readFile(join(folder, 'usr/share/man/man1/muster.1.gz')));
    assert.match(manual.toString(), /^\.TH /m);
  });

  it('is the same at any time, in any folder and with any umask', async () => {
    const before = process.umask(0o077);
    try {
      for (const fast of [true, false])
        assert.ok(
          (await readFile(await make('1.2.3', fast))).equals(await readFile(await make('1.2.3', fast))),
        );
      assert.ok((await readFile(await make())).equals(await readFile(file)));
    } finally {
      process.umask(before);
    }
  });

  it('leaves no other file in its folder, also when it cannot be made', async () => {
    assert.deepEqual(await readdir(join(file, '..')), [debName('1.2.3-rc.1', target)]);
    const built = await smallBuild(await newFolder());
    const folder = await newFolder();
    const texts = await companions(built);
    const options = { target, executable: built.file, carried: [], companions: texts, date, fast: true };
    await assert.rejects(writeDeb({ ...options, version: '9.9.9' }, folder), {
      message: 'CHANGELOG.md does not begin with version 9.9.9',
    });
    assert.deepEqual(await readdir(folder), []);
  });

  it('has no fault that lintian finds', { skip: lintian ? false : 'there is no lintian' }, async () => {
    const args = ['--fail-on', 'error', '--no-tag-display-limit', await make('1.2.3')];
    const failed = await run(lintian ?? '', args).then(
      () => '',
      ({ stdout }: { stdout: string }) => stdout,
    );
    assert.equal(failed, '');
  });
});
