// Makes a machine for the tests of the service commands: a folder that stands for it, and a systemctl that records its
// calls.
import { lstat, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type InstallOptions,
  installService,
} from '../../../../agent/cli/commands/service/install-service.ts';
import { showService } from '../../../../agent/cli/commands/service/status.ts';
import {
  type UninstallOptions,
  uninstallService,
} from '../../../../agent/cli/commands/service/uninstall-service.ts';
import { loadSettings } from '../../../../agent/config/load.ts';
import { type Role, roles } from '../../../../agent/config/role.ts';
import { servicePathsOf } from '../../../../agent/service/service-paths.ts';
import { Systemctl } from '../../../../agent/service/systemctl.ts';
import type { ServiceTarget } from '../../../../agent/service/target.ts';
import { surroundings } from '../../../config/surroundings.ts';
import { FakeSystemctl } from '../../../service/fake-systemctl.ts';
import { newFolder } from '../../../support/temporary.ts';

export const units = '/etc/systemd/system';
export const program = '/usr/local/bin/muster';
const uid = process.getuid?.() ?? 0;
const gid = process.getgid?.() ?? 0;

/** Makes a bare machine: the folders of a Linux system, a program to run and a systemctl. */
export async function bareMachine() {
  const prefix = await newFolder();
  for (const folder of ['/etc/systemd/system', '/usr/local/bin', '/var/lib/private', '/var/cache/private'])
    await mkdir(prefix + folder, { recursive: true });
  await writeFile(prefix + program, '#!/bin/sh\n', { mode: 0o755 });
  const fake = await FakeSystemctl.make(await newFolder(), prefix + units);
  const machine: ServiceTarget = {
    manager: 'systemd',
    scope: 'system',
    uid,
    owner: { uid, gid, name: 'root:root' },
    root: undefined,
    prefix,
    managerProgram: new Systemctl(fake.program, { user: false, root: undefined }),
    systemd: 252,
    paths: role => servicePathsOf('systemd', 'system', role, undefined),
  };
  const output = { printed: '', warned: '' };
  const terminal = {
    print(text: string) {
      output.printed += text;
    },
    warn(text: string) {
      output.warned += `${text}\n`;
    },
  };
  const withEmptyOutput = <T>(run: () => Promise<T>) => {
    output.printed = '';
    output.warned = '';
    return run();
  };
  return {
    machine,
    fake,
    output,
    at: (path: string) => prefix + path,
    install: (role: Role, more: Partial<InstallOptions> = {}) =>
      withEmptyOutput(() =>
        installService(
          machine,
          { role, executable: program, start: true, force: false, dryRun: false, ...more },
          terminal,
        ),
      ),
    uninstall: (role: Role, more: Partial<UninstallOptions> = {}) =>
      withEmptyOutput(() =>
        uninstallService(machine, { role, purge: false, force: false, dryRun: false, ...more }, terminal),
      ),
    status: (output: 'text' | 'json', which: readonly Role[] = roles) => {
      const load = () => loadSettings({ environment: surroundings() });
      return withEmptyOutput(() => showService(machine, which, load, output, terminal.print));
    },
  };
}

/** Returns every path below `folder` with its kind, mode and content. Two equal lists mean that nothing was changed. */
export async function listing(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  const lines = names.map(async name => {
    const info = await lstat(join(folder, name));
    const content = info.isFile() ? await readFile(join(folder, name), 'utf8') : '';
    return `${name} ${info.mode.toString(8)} ${content}`;
  });
  return (await Promise.all(lines)).sort();
}

/** Makes what a role leaves behind where it ran, as a DynamicUser does. */
export async function usedBy(prefix: string, ...folders: string[]): Promise<void> {
  for (const folder of folders) {
    await mkdir(`${prefix}/var/lib/private/muster/${folder}`, { recursive: true });
    await writeFile(`${prefix}/var/lib/private/muster/${folder}/identity.nk`, 'secret', { mode: 0o600 });
  }
  for (const place of ['lib', 'cache']) {
    await mkdir(`${prefix}/var/${place}/private/muster`, { recursive: true });
    await symlink('private/muster', `${prefix}/var/${place}/muster`).catch(() => undefined);
  }
}
