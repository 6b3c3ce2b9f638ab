// Boots a container with systemd and muster's units. The program runs from source, or is the packaged file if there is one.
import { lstat, readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Role } from '../../agent/config/role.ts';
import { loadProbe } from '../../agent/host/native/native-probe.ts';
import { unitName } from '../../agent/service/scope.ts';
import { unitFile } from '../../agent/service/systemd-units.ts';
import { BootedSystemd, whyNoSystemd } from './booted-systemd.ts';
import { bundleProgram } from './bundle-program.ts';
import { eventually } from './eventually.ts';
import { findProgram } from './find-program.ts';
import { newFolder } from './temporary.ts';

const checkout = fileURLToPath(new URL('../..', import.meta.url));
const copied = '/usr/local/bin/muster';
const roles = ['agent', 'requester'] as const;
/** The user and the folders of a second requester, and its unit. */
const second = 'muster-b';
const secondUnit = `${second}-requester.service`;

export class ServiceHost {
  readonly systemd: BootedSystemd;
  /** Whether the program is the packaged file, and not the source. */
  readonly packaged: boolean;
  /** The path of the program in the container. */
  readonly program: string;
  #since = new Date();

  /** Boots the container, or returns a sentence with the reason why it cannot be booted here. */
  static async boot(): Promise<ServiceHost | string> {
    const why = await whyNoSystemd();
    if (why) return why;
    const binary = await packagedFile();
    const { probe, ...none } = loadProbe();
    if (!binary && !probe)
      return `the native probe ${'reason' in none ? none.reason : ''}, and only the probe can notify systemd`;
    const folders: Record<string, string> = binary
      ? { '/opt/packaged': dirname(binary) }
      : {
          '/opt/source': checkout,
          '/opt/muster': dirname(await bundleProgram(join(await newFolder(), 'muster'), '/opt/source')),
          '/opt/node': dirname(process.execPath),
          '/opt/broker': dirname(await realpath(await findProgram('nats-server'))),
        };
    const systemd = await BootedSystemd.boot(folders);
    if (typeof systemd === 'string') return systemd;
    const host = new ServiceHost(systemd, binary !== undefined, copied);
    await host.#forget();
    if (binary)
      await systemd.ok('ln', '-s', `/opt/packaged/${binary.slice(dirname(binary).length + 1)}`, copied);
    else {
      await systemd.write(copied, sourceProgram, 0o755);
      await systemd.ok('ln', '-sf', '/opt/broker/nats-server', '/usr/local/bin/nats-server');
      await host.#compile();
    }
    return host;
  }

  /**
   * Boots a container without muster, which the test installs at `program`. Returns a sentence with the reason if it
   * cannot.
   */
  static async bare(folders: Record<string, string>, program: string): Promise<ServiceHost | string> {
    const systemd = (await whyNoSystemd()) ?? (await BootedSystemd.boot(folders));
    if (typeof systemd === 'string') return systemd;
    const host = new ServiceHost(systemd, true, program);
    await host.#forget();
    return host;
  }

  private constructor(systemd: BootedSystemd, packaged: boolean, program: string) {
    this.systemd = systemd;
    this.packaged = packaged;
    this.program = program;
  }

  /**
   * Returns what was written since it was booted: each path with its mode and owner. Logs, systemd's own files and folders
   * that were there before are left out, because a file that was in a folder for a moment leaves a copy of the folder.
   * @param ignored matches other paths that are not muster's
   */
  async files(ignored = /^$/): Promise<string[]> {
    const lines: string[] = [];
    for (const name of await readdir(this.systemd.written, { recursive: true })) {
      const path = `/${name}`;
      if (/^\/(run|tmp|dev|var\/(log|tmp|lib\/systemd))(\/|$)/.test(path) || ignored.test(path)) continue;
      const written = await lstat(this.systemd.written + path).catch(() => undefined);
      // A running role has some files only for a moment.
      if (!written) continue;
      const { mode, uid, gid } = written;
      const before = await lstat(path).catch(() => undefined);
      if (before?.isDirectory() && before.mode === mode && before.uid === uid) continue;
      lines.push(`${path} ${mode.toString(8)} ${uid}:${gid}`);
    }
    return lines.sort();
  }

  /** Returns to the state of a machine on which muster is installed but has never run. */
  async reset(): Promise<void> {
    await this.stop();
    this.#since = new Date();
    await this.#forget();
    for (const role of roles) {
      const name = unitName(role);
      await this.systemd.ok('rm', '-rf', `/etc/systemd/system/${name}.d`);
      await this.systemd.write(
        `/etc/systemd/system/${name}`,
        unitFile(role, { executable: this.program, scope: 'system' }),
      );
      // A shorter wait before a restart saves time in the tests.
      await this.dropIn(role, 'quick', '[Service]\nRestartSec=100ms');
    }
  }

  /**
   * Keeps the compiled code of the program for all processes, which saves half of the CPU time of each start. The sandbox
   * lets a role read it, and not write it.
   */
  async #compile(): Promise<void> {
    await this.muster('version');
    await this.systemd.ok('chmod', '-R', 'a+rX', '/opt/code');
  }

  /**
   * Removes all state, also the state of a muster that is installed on this machine and that the container therefore has.
   */
  async #forget(): Promise<void> {
    const secrets = ['/etc/credstore', '/etc/credstore.encrypted'];
    const files = [`/etc/${second}`, `/etc/systemd/system/${secondUnit}`];
    await this.systemd.ok('rm', '-rf', '/etc/muster', ...files, ...secrets, ...stateFolders);
  }

  /**
   * Writes the unit and the configuration of another requester, which has a service user and folders of its own, as on
   * another machine. `reset` removes them. Returns the name of the unit.
   */
  async secondRequester(values: Record<string, unknown>): Promise<string> {
    const unit = unitFile('requester', { executable: this.program, scope: 'system' })
      .replaceAll(/=muster$/gm, `=${second}`)
      .replaceAll('/var/lib/muster', `/var/lib/${second}`)
      .replaceAll(':muster-requester.', `:${second}-requester.`);
    await this.systemd.write(`/etc/systemd/system/${secondUnit}`, unit);
    await this.systemd.ok('systemctl', 'daemon-reload');
    await this.#writeConfig(`/etc/${second}/config.yaml`, values);
    return secondUnit;
  }

  async dropIn(role: Role, name: string, text: string): Promise<void> {
    await this.systemd.write(`/etc/systemd/system/${unitName(role)}.d/${name}.conf`, `${text}\n`);
    await this.systemd.ok('systemctl', 'daemon-reload');
  }

  async stop(): Promise<void> {
    await this.systemd.run('systemctl', 'stop', secondUnit, ...roles.map(unitName));
    await this.systemd.run('systemctl', 'reset-failed');
  }

  /** Removes the units, as an uninstall does. */
  async removeUnits(): Promise<void> {
    for (const role of roles) {
      await this.systemd.ok('systemctl', 'disable', '--now', unitName(role));
      await this.systemd.ok('rm', '-rf', `/etc/systemd/system/${unitName(role)}`);
      await this.systemd.ok('rm', '-rf', `/etc/systemd/system/${unitName(role)}.d`);
    }
    await this.systemd.ok('systemctl', 'daemon-reload');
  }

  /** Writes the configuration of both roles. */
  configure(values: Record<string, unknown>): Promise<void> {
    return this.#writeConfig('/etc/muster/config.yaml', values);
  }

  #writeConfig(path: string, values: Record<string, unknown>): Promise<void> {
    const quick = {
      'compute.heartbeatFrequency': '200ms',
      'compute.resourceUpdateFrequency': '400ms',
      'compute.infoUpdateFrequency': '400ms',
      'requester.heartbeatFrequency': '100ms',
    };
    // The part of a key behind its first dot stays one key, which muster accepts too.
    const root: Record<string, Record<string, unknown>> = {};
    for (const [key, value] of Object.entries({ ...quick, ...values })) {
      const [group = '', ...rest] = key.split('.');
      root[group] = { ...root[group], [rest.join('.')]: value };
    }
    return this.systemd.write(path, `${JSON.stringify(root, null, 1)}\n`);
  }

  /** Starts a requester, and an agent that waits for approval. Returns the node's id. */
  async cluster(values: Record<string, unknown> = {}): Promise<string> {
    await this.configure(values);
    await this.start('requester');
    await this.handOverCode();
    await this.start('agent');
    return this.node();
  }

  /** Gives the agent a join code as a secret of systemd, as an installation does. Returns the code. */
  async handOverCode(): Promise<string> {
    const code = (await this.muster('join-code', 'create')).trim();
    await this.systemd.write('/etc/credstore/muster-agent.join.code', `${code}\n`, 0o600);
    return code;
  }

  start(role: Role): Promise<string> {
    return this.systemd.ok('systemctl', 'start', unitName(role));
  }

  muster(...args: string[]): Promise<string> {
    return this.systemd.ok(this.program, ...args);
  }

  show(role: Role, property: string): Promise<string> {
    return this.systemd.show(unitName(role), property);
  }

  /** Returns what the role, and systemd about the role, wrote to the journal since the reset. */
  async journal(role: Role): Promise<string> {
    const entries = await this.systemd.journal(this.#since, `--unit=${unitName(role)}`);
    return entries.map(({ MESSAGE }) => MESSAGE).join('\n');
  }

  async pid(role: Role): Promise<string> {
    return this.show(role, 'MainPID');
  }

  /** Resolves once the status text of the unit matches. */
  async untilStatus(role: Role, text: RegExp): Promise<void> {
    await this.until(role, 'StatusText', text);
  }

  /** Resolves once a property of the unit matches. */
  async until(role: Role, property: string, value: RegExp): Promise<void> {
    let seen = '';
    try {
      await eventually(`${property} of ${unitName(role)} matches ${value}`, async () => {
        seen = await this.show(role, property);
        return value.test(seen);
      });
    } catch (error) {
      throw new Error(`it is "${seen}"; the journal:\n${await this.journal(role)}`, { cause: error });
    }
  }

  /** Returns the node id in the agent's data folder. */
  async node(): Promise<string> {
    const text = await this.systemd.ok('cat', '/var/lib/muster/agent/node.yaml');
    return /[\w-]{10,}/.exec(text.replace(/^#.*$/gm, ''))?.[0] ?? '';
  }

  /** Returns the key and the session of the agent, which a restart or an upgrade must not change. */
  async identity(): Promise<string> {
    const file = `/var/lib/muster/agent/${await this.node()}.registration.json`;
    // The file is written a moment after the unit is ready.
    await eventually(`${file} is there`, async () => (await this.systemd.run('test', '-e', file)).code === 0);
    const sentinel = await this.systemd.ok('cat', file);
    const { key, session } = JSON.parse(sentinel) as { key: string; session: string };
    return `${key} ${session}`;
  }

  /** Returns how often the node has registered, as the stored events say. */
  async registrations(): Promise<number> {
    const events = await this.muster('events', '--node', await this.node());
    return events.split('\n').filter(line => /\bregistered\b/.test(line)).length;
  }
}

const sourceProgram = `#!/bin/sh
NODE_COMPILE_CACHE=/opt/code exec /opt/node/node /opt/muster/main.cjs "$@"
`;

const stateFolders = ['muster', second].flatMap(name => [
  `/var/lib/${name}`,
  `/var/lib/private/${name}`,
  `/var/cache/${name}`,
  `/var/cache/private/${name}`,
]);

/** Returns the file that MUSTER_TEST_BINARY names, or `dist/muster` unless the source is newer. */
async function packagedFile(): Promise<string | undefined> {
  const named = process.env.MUSTER_TEST_BINARY;
  if (named) return realpath(named);
  const built = join(checkout, 'dist/muster');
  const age = await stat(built).catch(() => undefined);
  if (!age) return undefined;
  for (const name of await readdir(join(checkout, 'agent'), { recursive: true })) {
    if ((await stat(join(checkout, 'agent', name))).mtimeMs > age.mtimeMs) return undefined;
  }
  return built;
}
