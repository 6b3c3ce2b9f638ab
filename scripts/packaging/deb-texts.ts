// Makes the texts that only the Debian package has: its description, and the copyright and changelog in Debian's form.
import { MusterError } from '../../agent/system/errors.ts';

const maintainer = 'muster maintainers <maintainers@muster.example>';

/** Returns the version as Debian sorts it: `1.0~rc1` comes before `1.0`, and a hyphen would begin a package revision. */
export const debianVersion = (version: string): string => version.replaceAll('-', '~');

export interface Control {
  readonly version: string;
  readonly architecture: string;
  readonly depends: readonly string[];
  /** The size once installed, in KiB. */
  readonly installedSizeKiB: number;
}

/** Returns the package's control file. */
export const controlText = ({ version, architecture, depends, installedSizeKiB }: Control): string => `\
Package: muster
Version: ${debianVersion(version)}
Architecture: ${architecture}
Maintainer: ${maintainer}
Installed-Size: ${installedSizeKiB}
Depends: ${depends.join(', ')}
Recommends: systemd (>= 252)
Suggests: bash-completion, libnss-systemd, pci.ids, pciutils
Section: admin
Priority: optional
Description: keeps the roll of a compute cluster
 The agent finds out what a compute node is, registers it with the cluster and
 keeps it current. The requester decides with the operator who takes part,
 knows who is alive, and tells other systems. Both speak Bacalhau's node
 protocol over NATS; the requester brings a broker of its own.
 .
 Neither role is started by the installation: "muster service install" or
 systemctl makes a machine a node, a requester, or both.
`;

/** Returns the copyright file, in the form of https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/ */
export const copyrightText = (date: Date): string => `\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: muster
Comment:
 /usr/bin/muster is one file that also holds Node.js, packages of npm, the
 broker nats-server with its Go modules, and crates of Rust. Their licences and
 notices are in /usr/share/doc/muster/THIRD-PARTY-NOTICES.gz, and "muster
 version --licences" prints them.

Files: *
Copyright: ${date.getUTCFullYear()} muster maintainers
License: Apache-2.0

License: Apache-2.0
 On Debian systems the text of the Apache License, version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.
`;

/**
 * Converts CHANGELOG.md to Debian's form. In it, each version is a heading such as `## 1.2.3 (2026-11-24)`, and each change is
 * an item of a list. A version without a date gets `date`.
 * @throws MusterError when its first version is not `version`.
 */
export function debianChangelog(markdown: string, version: string, date: Date): string {
  const [, ...chapters] = markdown.split(/^## /m);
  const entries = chapters.map(chapter => {
    const [, name = '', day] = /^(\S+)(?: \((\d{4}-\d\d-\d\d)\))?/.exec(chapter) ?? [];
    const items = chapter.split(/^- /m).slice(1);
    const changes = items.map(item => `  * ${wrapped(item.trim().split(/\s+/)).join('\n    ')}\n`);
    const stamp = (day ? new Date(day) : date).toUTCString().replace('GMT', '+0000');
    return {
      name,
      text: `muster (${debianVersion(name)}) stable; urgency=medium\n\n${changes.join('')}\n -- ${maintainer}  ${stamp}\n`,
    };
  });
  if (entries[0]?.name === version) return entries.map(({ text }) => text).join('\n');
  throw new MusterError('failed', `CHANGELOG.md does not begin with version ${version}`, {
    hint: 'add a heading for it, and what is new in it',
  });
}

/** Joins words to lines of at most 74 characters, so that they fit into 80 with Debian's indentation. */
function wrapped(words: readonly string[]): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > 74) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
