// Lists the files of the Debian package with the paths at which they are installed.
import { gzipSync } from 'node:zlib';
import { roles } from '../../agent/config/role.ts';
import { packagedSchema, sampleConfig } from '../../agent/config/sample.ts';
import { unitName } from '../../agent/service/scope.ts';
import { unitFile } from '../../agent/service/systemd-units.ts';
import type { Companions } from './companions.ts';
import { copyrightText, debianChangelog } from './deb-texts.ts';

export const executablePath = '/usr/bin/muster';

/** The files that an operator changes and that dpkg does not overwrite. */
export const configurationFiles = ['/etc/muster/config.yaml'];

/** The groups that own the device files of GPUs. Every Debian with udev has both. */
const groups = ['render', 'video'];

/** Returns every file but the executable, by path. */
export function debFiles(
  companions: Companions,
  version: string,
  date: Date,
): ReadonlyMap<string, string | Buffer> {
  const { completions, notices, pages, manual, schema } = companions;
  const documentation = '/usr/share/doc/muster';
  const units = roles.map((role): [string, string] => [
    `/usr/lib/systemd/system/${unitName(role)}`,
    unitFile(role, { executable: executablePath, scope: 'system', groups }),
  ]);
  return new Map<string, string | Buffer>([
    ['/etc/muster/config.yaml', sampleConfig('both')],
    [packagedSchema, schema],
    ...units,
    ['/usr/lib/systemd/system-preset/50-muster.preset', preset],
    ['/usr/lib/sysusers.d/muster.conf', sysusers],
    ['/usr/share/bash-completion/completions/muster', completions.bash],
    ['/usr/share/zsh/vendor-completions/_muster', completions.zsh],
    ['/usr/share/fish/vendor_completions.d/muster.fish', completions.fish],
    ['/usr/share/man/man1/muster.1.gz', compressed(manual)],
    ...Object.entries(pages).map(([name, text]): [string, Buffer] => [
      `${documentation}/${name}.gz`,
      compressed(text),
    ]),
    [`${documentation}/THIRD-PARTY-NOTICES.gz`, compressed(notices)],
    [`${documentation}/changelog.gz`, compressed(debianChangelog(companions.changelog, version, date))],
    [`${documentation}/copyright`, copyrightText(date)],
    ['/usr/share/lintian/overrides/muster', lintianOverrides],
  ]);
}

const preset = `\
# The operator decides which role a machine has, so neither role is enabled at the first boot of an image.
${roles.map(role => `disable ${unitName(role)}\n`).join('')}`;

const sysusers = `\
# The groups that may use the device files of GPUs. The agent is in both, and does not start when one is missing.
${groups.map(group => `g ${group} -\n`).join('')}`;

/** Reports of lintian about things that are intended, each with the reason. */
const lintianOverrides = `\
# The file contains the whole Node.js of nodejs.org, because Debian's is older than the one that muster needs.
muster: embedded-library
muster: hardening-no-pie
`;

/** Compresses without name and time, as `gzip -n` does. */
const compressed = (text: string): Buffer => gzipSync(text, { level: 9 });
