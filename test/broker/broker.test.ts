// Starts, restarts and stops real brokers, with wrappers, orphans, hangs, full tables and ports in use.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, type TestContext, test } from 'node:test';
import { type Broker, type BrokerOptions, startBroker } from '../../agent/broker/broker.ts';
import { accessFiles, loadBrokerAccess } from '../../agent/broker/broker-access.ts';
import { loadOwnCertificate } from '../../agent/broker/tls/own-certificate.ts';
import { loadServerCertificate } from '../../agent/broker/tls/server-certificate.ts';
import { systemClock } from '../../agent/system/clock.ts';
import { silentLog } from '../../agent/system/log.ts';
import { keyPairOf } from '../../agent/transport/key-pair.ts';
import { makeAuthority, makeCertificate } from '../support/certificates.ts';
import { bytes, connectTo, stateOf, text } from '../support/connections.ts';
import { eventually } from '../support/eventually.ts';
import { runWithFewFiles } from '../support/few-files.ts';
import { findProgram } from '../support/find-program.ts';
import { freePort, listen } from '../support/listener.ts';
import { localBroker } from '../support/local-broker.ts';
import { recordLog } from '../support/log-lines.ts';
import { isRunning } from '../support/processes.ts';

const root = await mkdtemp(join(tmpdir(), 'muster-broker-'));
const running = new Set<Broker>();
after(async () => {
  await Promise.all([...running].map(broker => broker.stop(0)));
  await rm(root, { recursive: true });
});

/** Returns a folder for the keys of the broker, which are the requester's. */
const keyFolder = async () => {
  const folder = join(root, 'keys');
  await mkdir(folder, { recursive: true });
  return folder;
};

let folders = 0;
const newFolder = () => join(root, String(++folders));

async function start(folder: string, options: Partial<BrokerOptions> = {}): Promise<Broker> {
  const broker = await startBroker({
    ...localBroker,
    folder,
    access: await loadBrokerAccess(await keyFolder()),
    ...options,
  });
  running.add(broker);
  return broker;
}

function connectWith(broker: Broker) {
  return connectTo(broker.url, { credentials: () => broker.credentials });
}

test('only the key of the requester is accepted while no requester answers for others', async () => {
  const folder = newFolder();
  const broker = await start(folder);
  assert.equal((await stat(join(folder, 'nats.conf'))).mode & 0o777, 0o600);
  assert.equal((await stat(folder)).mode & 0o777, 0o700);
  for (const file of Object.values(accessFiles)) {
    const path = join(await keyFolder(), file);
    assert.equal((await stat(path)).mode & 0o777, 0o600, file);
    const seed = (await readFile(path, 'utf8')).trim();
    assert.ok(!(await readFile(join(folder, 'nats.conf'), 'utf8')).includes(seed), file);
    if (process.platform !== 'linux') continue;
    const commandLine = await readFile(`/proc/${broker.pid}/cmdline`, 'utf8');
    assert.ok(commandLine.includes('nats.conf') && !commandLine.includes(seed));
  }
  if (process.platform === 'linux') assert.equal(await readFile(`/proc/${broker.pid}/environ`, 'utf8'), '');
  await connectWith(broker).connected();
  const stranger = keyPairOf(randomBytes(32), 'node');
  // The broker gives the requester ten seconds to answer, so all of them try at once.
  const refused = [{}, { token: 'a-token' }, { key: stranger }].map(async credentials => {
    const connection = connectTo(broker.url, { credentials: () => credentials, connectTimeoutMs: 15_000 });
    assert.equal((await stateOf(connection, 'disconnected')).fault, 'unauthorized');
  });
  await Promise.all(refused);
  assert.match(broker.version, /^2\.\d+\.\d+/);
});

test('each write is synced to the disk', async () => {
  const folder = newFolder();
  await start(folder);
  const config = await readFile(join(folder, 'nats.conf'), 'utf8');
  assert.match(config, /jetstream \{[^}]*sync_interval: always/);
  assert.ok(config.includes(`store_dir: ${JSON.stringify(join(folder, 'store'))}`));
});

test('a broker with a certificate serves TLS only, also after it was started again, and names its addresses', async () => {
  const [folder, state] = [newFolder(), newFolder()];
  await mkdir(state);
  let names = ['localhost', '127.0.0.1'];
  const load = () => loadServerCertificate(state, names, { now: () => new Date(), log: silentLog });
  const advertise = ['broker.example', '192.0.2.1:4333'];
  const broker = await start(folder, { certificate: load, advertise });
  const { pin, caFile = '' } = await load();
  const port = Number(new URL(broker.url).port);
  assert.equal(broker.url, `tls://127.0.0.1:${port}`);
  assert.deepEqual(broker.servers, [`tls://broker.example:${port}`, 'tls://192.0.2.1:4333']);
  assert.equal(broker.pin, pin);
  const credentials = () => broker.credentials;
  const connection = connectTo(broker.url, { credentials, tls: () => broker.tls });
  await connection.connected();
  await connectTo(`nats://127.0.0.1:${port}`, { credentials, tls: () => ({ caFile }) }).connected();
  assert.equal((await stateOf(connectTo(broker.url, { credentials }), 'disconnected')).fault, 'tls');
  // The next server gets another certificate of the same CA.
  names = ['localhost', '127.0.0.1', '::1'];
  const lost = stateOf(connection, 'disconnected');
  if (broker.pid) process.kill(broker.pid, 'SIGKILL');
  await lost;
  await connection.connected();
  assert.equal(new X509Certificate(await readFile(join(state, 'server.pem'))).checkIP('::1'), '::1');
});

test('a broker with an own certificate for another name lets in its own clients', async () => {
  const folder = newFolder();
  const state = newFolder();
  await mkdir(state);
  const authority = await makeAuthority(state, 'authority');
  const files = await makeCertificate(state, authority, 'own', 'DNS:broker.example');
  const certificate = () => loadOwnCertificate(files, [], state, new Date());
  const broker = await start(folder, { certificate });
  assert.match(broker.servers.join(), /^tls:\/\/broker\.example:\d+$/);
  await connectTo(broker.url, {
    credentials: () => broker.credentials,
    tls: () => broker.tls,
  }).connected();
});

test('a later start keeps the port and the store', async () => {
  const folder = newFolder();
  const first = await start(folder);
  const before = connectWith(first);
  await before.connected();
  await (await (await before.storage()).bucket({ name: 'kept', history: 1 })).put('k', bytes('v'), 0);
  await before.close();
  await first.stop();
  const config = await stat(join(folder, 'nats.conf'));
  const second = await start(folder);
  // An unchanged file is not written again, so that the broker can start on a full disk.
  assert.equal((await stat(join(folder, 'nats.conf'))).ino, config.ino);
  assert.equal(second.url, first.url);
  const again = connectWith(second);
  await again.connected();
  const entry = await (await (await again.storage()).bucket({ name: 'kept', history: 1 })).get('k');
  assert.equal(text(entry?.value ?? bytes('')), 'v');
});

test('the store of a version that had no accounts is taken over, and its token is removed', async () => {
  const folder = newFolder();
  const first = await start(folder);
  const before = connectWith(first);
  await before.connected();
  await (await (await before.storage()).bucket({ name: 'kept', history: 1 })).put('k', bytes('v'), 0);
  await before.close();
  await first.stop();
  const stored = join(folder, 'store', 'jetstream');
  await rename(join(stored, 'MUSTER'), join(stored, '$G'));
  await writeFile(join(folder, 'token'), 'of before');
  const { log, lines } = recordLog();
  const second = await start(folder, { log });
  const again = connectWith(second);
  await again.connected();
  const entry = await (await (await again.storage()).bucket({ name: 'kept', history: 1 })).get('k');
  assert.equal(text(entry?.value ?? bytes('')), 'v');
  await assert.rejects(stat(join(folder, 'token')), { code: 'ENOENT' });
  assert.equal(lines.filter(line => /was taken over/.test(line.message)).length, 1);
});

test('the broker is restarted when it dies, and its clients connect again', async () => {
  const { log, lines } = recordLog();
  const broker = await start(newFolder(), { log });
  const connection = connectWith(broker);
  await connection.connected();
  for (let death = 0; death < 2; death++) {
    const { pid } = broker;
    assert.ok(pid);
    process.kill(pid, 'SIGKILL');
    await stateOf(connection, 'disconnected');
    await connection.connected();
    assert.notEqual(broker.pid, pid);
  }
  const told = lines.filter(line => line.level === 'error');
  assert.equal(told.length, 2);
  assert.match(told[0]?.message ?? '', /^the broker ended \(SIGKILL\).*: starting it again$/);
  assert.ok(lines.every(line => line.fields.part === 'broker'));
});

// Writes a wrapper of nats-server that leaves a child behind. The child keeps standard error open.
async function withLingeringChild(t: TestContext, then: string): Promise<string> {
  const folder = newFolder();
  await mkdir(folder);
  const pids = join(folder, 'pids');
  const script = `#!/bin/sh
case $1 in --version) exec ${await findProgram('nats-server')} "$1" ;; esac
sleep 1000 &
echo $! >>${pids}
${then}
`;
  const binary = join(folder, 'nats-server');
  await writeFile(binary, script, { mode: 0o755 });
  t.after(async () => {
    for (const pid of (await readFile(pids, 'utf8')).trim().split('\n')) process.kill(Number(pid), 'SIGKILL');
  });
  return binary;
}

test('the broker is restarted and stopped, although its child still runs and keeps standard error open', async t => {
  const binary = await withLingeringChild(t, `exec ${await findProgram('nats-server')} "$@"`);
  const { log, lines } = recordLog();
  const broker = await start(newFolder(), { binary, log });
  process.kill(broker.pid ?? 0, 'SIGKILL');
  await eventually('it runs again', () => lines.some(line => /runs again/.test(line.message)));
  await broker.stop();
  assert.equal(broker.pid, undefined);
});

test('a server that outlives its wrapper is replaced by a new one, and a stop ends wrapper and server', async () => {
  const folder = newFolder();
  await mkdir(folder);
  const binary = join(folder, 'nats-server');
  await writeFile(binary, `#!/bin/sh\n${await findProgram('nats-server')} "$@"\nexit $?\n`, { mode: 0o755 });
  const readPid = async () => Number(await readFile(join(folder, 'nats-server.pid'), 'utf8').catch(() => ''));
  const { log, lines } = recordLog();
  const broker = await start(folder, { binary, log });
  await connectWith(broker).connected();
  const first = await readPid();
  process.kill(broker.pid ?? 0, 'SIGKILL');
  await eventually('another runs', async () => {
    const pid = await readPid();
    return (
      pid !== first &&
      pid > 0 &&
      (await isRunning(pid)) &&
      lines.some(line => /runs again/.test(line.message))
    );
  });
  assert.equal(await isRunning(first), false);
  await connectWith(broker).connected();
  const second = await readPid();
  await broker.stop();
  await eventually('both have ended', async () => !(await isRunning(second)));
});

test('the last line of a server that ends is logged, although a child of it still runs', async t => {
  const binary = await withLingeringChild(t, `echo '[1] [FTL] no room' >&2; exit 1`);
  await assert.rejects(start(newFolder(), { binary }), {
    message: 'the broker ended (exit code 1): no room',
  });
});

test('the broker is restarted although no process could be started for some time', async () => {
  const folder = newFolder();
  await mkdir(folder);
  const binary = join(folder, 'nats-server');
  await symlink(await findProgram('nats-server'), binary);
  const { log, lines } = recordLog();
  const broker = await start(folder, { binary, log });
  assert.ok(broker.pid);
  // This is like the moment when another version replaces the file: the system call fails, and Node throws.
  await rm(binary);
  await symlink(binary, binary);
  process.kill(broker.pid, 'SIGKILL');
  await eventually('it cannot be run', () =>
    lines.some(line => /could not be run: .*ELOOP/.test(line.message)),
  );
  await rm(binary);
  await symlink(await findProgram('nats-server'), binary);
  await eventually('it runs again', () => lines.some(line => /runs again/.test(line.message)));
  await connectWith(broker).connected();
});

test('the broker is restarted although no more files could be opened for some time', async () => {
  const module = (path: string) => JSON.stringify(join(import.meta.dirname, '../../agent', path));
  const script = `
    import { closeSync, openSync } from 'node:fs';
    import { startBroker } from ${module('broker/broker.ts')};
    import { loadBrokerAccess } from ${module('broker/broker-access.ts')};
    import { systemClock } from ${module('system/clock.ts')};
    import { systemRandom } from ${module('system/random.ts')};
    const { promise: again, resolve } = Promise.withResolvers();
    const open = [];
    const say = (_, message) => {
      if (/could not be run: .*EMFILE/.test(message)) for (const file of open) closeSync(file);
      if (/runs again/.test(message)) resolve();
    };
    const log = { trace() {}, debug() {}, warn() {}, info: say, error: say };
    const broker = await startBroker({
      folder: ${JSON.stringify(newFolder())}, name: 'n', host: '127.0.0.1', port: 0,
      access: await loadBrokerAccess(${JSON.stringify(await keyFolder())}),
      binary: ${JSON.stringify(await findProgram('nats-server'))}, findOnPath: () => undefined,
      clock: systemClock, random: systemRandom, log,
    });
    try {
      for (;;) open.push(openSync('/dev/null'));
    } catch {}
    process.kill(broker.pid, 'SIGKILL');
    await again;
    await broker.stop();
    process.stdout.write('it ran again');`;
  assert.deepEqual(await runWithFewFiles(script), { stdout: 'it ran again', stderr: '' });
});

test('a stop leaves no process, and nothing is restarted', async () => {
  const { log, lines } = recordLog();
  const broker = await start(newFolder(), { log });
  const { pid } = broker;
  assert.ok(pid);
  await broker.stop();
  assert.equal(await isRunning(pid), false);
  await broker.stop();
  assert.deepEqual(
    lines.filter(line => line.level === 'error' || line.level === 'warn'),
    [],
  );
});

test('a stop while it waits for its restart', async () => {
  const { log, lines } = recordLog();
  // This randomness gives the longest delays of the back-off.
  const random = { fraction: () => 0.999, uuid: () => '' };
  const broker = await start(newFolder(), { log, random });
  const { pid } = broker;
  assert.ok(pid);
  process.kill(pid, 'SIGKILL');
  await eventually('its death is seen', () => lines.some(line => line.level === 'error'));
  await broker.stop();
  assert.equal(broker.pid, undefined);
  assert.ok(!lines.some(line => /runs again/.test(line.message)));
  assert.equal(await isRunning(pid), false);
});

test('a server that accepts no clients in time is killed, which is logged once', async () => {
  const folder = newFolder();
  await mkdir(folder);
  const binary = join(folder, 'nats-server');
  const script = 'case $1 in --version) echo "nats-server: v2.12.0"; exit ;; esac\nexec sleep 1000';
  await writeFile(binary, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const { log, lines } = recordLog();
  let now = 0;
  // A minute passes each time that the clock is read, and no wait takes any time.
  const clock = {
    ...systemClock,
    monotonic: () => (now += 61_000),
    after: (_: number, fn: () => void) => {
      const handle = setImmediate(fn);
      return { cancel: () => clearImmediate(handle) };
    },
  };
  await assert.rejects(start(newFolder(), { binary, log, clock }), { message: 'the broker ended (SIGKILL)' });
  assert.equal(lines.filter(line => /accepts no clients/.test(line.message)).length, 1);
});

test('an aborted start leaves no process, whenever it is aborted', async () => {
  const binary = join(newFolder(), 'nats-server');
  await mkdir(join(binary, '..'));
  const pidFile = `${binary}.pid`;
  const script = `case $1 in --version) echo "nats-server: v2.12.0"; exit ;; esac
    trap '' TERM; echo $$ >${pidFile}; exec sleep 1000`;
  await writeFile(binary, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const over = new AbortController();
  const starting = start(newFolder(), { binary, signal: over.signal });
  const given = assert.rejects(starting, error => error === over.signal.reason);
  const readPid = async () => Number(await readFile(pidFile, 'utf8').catch(() => ''));
  await eventually('it runs', async () => (await readPid()) > 0);
  over.abort();
  await given;
  assert.equal(await isRunning(await readPid()), false);
  await rm(pidFile);
  await assert.rejects(start(newFolder(), { binary, signal: over.signal }), { name: 'AbortError' });
  await assert.rejects(readFile(pidFile), { code: 'ENOENT' });
});

test('a server that hangs is killed', async () => {
  const { log, lines } = recordLog();
  const broker = await start(newFolder(), { log });
  const { pid } = broker;
  assert.ok(pid);
  process.kill(pid, 'SIGSTOP');
  await broker.stop(50);
  assert.equal(await isRunning(pid), false);
  assert.equal(lines.filter(line => /does not end: killing it/.test(line.message)).length, 1);
});

test('the broker is not in the process group of the terminal, so that Ctrl-C reaches only muster', async () => {
  const broker = await start(newFolder());
  assert.ok(broker.pid);
  // This asks for the process group of the broker. The call fails if the broker does not lead a group.
  assert.equal(process.kill(-broker.pid, 0), true);
});

test('a server that a killed run left behind is stopped and replaced', async () => {
  const folder = newFolder();
  const earlier = await start(folder);
  await earlier.stop();
  // This process is like the child of a process that was killed: it has the same program and files, but is not our child.
  const orphan = spawn(await findProgram('nats-server'), ['-c', join(folder, 'nats.conf')], {
    stdio: 'ignore',
  });
  const exited = once(orphan, 'exit');
  await connectWith(earlier).connected();

  const { log, lines } = recordLog();
  const broker = await start(folder, { log });
  await exited;
  assert.equal(broker.url, earlier.url);
  assert.notEqual(broker.pid, orphan.pid);
  const told = lines.filter(line => line.level === 'warn');
  assert.deepEqual(
    told.map(line => [line.fields.pid, line.message]),
    [[orphan.pid, 'a broker of an earlier run is still there: stopping it']],
  );
  await connectWith(broker).connected();
});

test('a server that was left behind and hangs is killed', async () => {
  const folder = newFolder();
  const earlier = await start(folder);
  await earlier.stop();
  const orphan = spawn(await findProgram('nats-server'), ['-c', join(folder, 'nats.conf')], {
    stdio: 'ignore',
  });
  const exited = once(orphan, 'exit');
  await connectWith(earlier).connected();
  orphan.kill('SIGSTOP');
  await start(folder);
  assert.deepEqual(await exited, [null, 'SIGKILL']);
});

test('an aborted start does not wait for a server that was left behind and hangs: it is killed at once', async t => {
  const folder = newFolder();
  const earlier = await start(folder);
  await earlier.stop();
  const orphan = spawn(await findProgram('nats-server'), ['-c', join(folder, 'nats.conf')], {
    stdio: 'ignore',
  });
  t.after(() => orphan.kill('SIGKILL'));
  const exited = once(orphan, 'exit');
  await connectWith(earlier).connected();
  orphan.kill('SIGSTOP');
  const over = new AbortController();
  const { log, lines } = recordLog();
  // The time stands still, so no timeout ever ends.
  const clock = { ...systemClock, monotonic: () => 0 };
  const starting = start(folder, { log, clock, signal: over.signal });
  const given = assert.rejects(starting, error => error === over.signal.reason);
  await eventually('it is seen', () => lines.some(line => /is still there/.test(line.message)));
  over.abort();
  await given;
  assert.deepEqual(await exited, [null, 'SIGKILL']);
});

for (const [how, last, signals] of [
  ['by itself', 'process.exit(3);', 0],
  ['by a second signal', '', 2],
] as const) {
  test(`the broker ends with a process that ends ${how} without stopping it`, async () => {
    const module = (path: string) => JSON.stringify(join(import.meta.dirname, '../../agent', path));
    const script = `
      import { startBroker } from ${module('broker/broker.ts')};
      import { loadBrokerAccess } from ${module('broker/broker-access.ts')};
      import { lifetime } from ${module('roles/lifetime.ts')};
      import { systemClock } from ${module('system/clock.ts')};
      import { silentLog } from ${module('system/log.ts')};
      import { systemRandom } from ${module('system/random.ts')};
      const broker = await startBroker({
        folder: ${JSON.stringify(newFolder())}, name: 'n', host: '127.0.0.1', port: 0,
      access: await loadBrokerAccess(${JSON.stringify(await keyFolder())}),
        binary: ${JSON.stringify(await findProgram('nats-server'))}, findOnPath: () => undefined,
        clock: systemClock, random: systemRandom, log: silentLog,
      });
      lifetime({ ...silentLog, info: (_, text) => console.log(text) });
      console.log(broker.pid);
      ${last}`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said: string[] = [];
    let sent = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      said.push(line);
      // The first signal asks it to stop, which it does not do.
      if (sent++ < signals) child.kill('SIGTERM');
    }
    const pid = Number(said[0]);
    assert.ok(pid > 1);
    await eventually('its end', async () => !(await isRunning(pid)));
  });
}

test('a process id that belongs to another program by now is not signalled', async t => {
  const folder = newFolder();
  await mkdir(folder);
  const bystander = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  t.after(() => bystander.kill('SIGKILL'));
  for (const content of [String(bystander.pid), '', 'nonsense', '-1', '1', '99999999999']) {
    await writeFile(join(folder, 'nats-server.pid'), content);
    await (await start(folder)).stop();
  }
  assert.equal(await isRunning(bystander.pid ?? 0), true);
  assert.equal(bystander.signalCode, null);
});

test('a port that is in use is refused, and the error names its setting', async t => {
  const other = await listen(() => undefined);
  t.after(() => other.close());
  await assert.rejects(start(newFolder(), { port: other.port }), {
    name: 'MusterError',
    code: 'in_use',
    message: `the broker cannot listen on port ${other.port} of 127.0.0.1: it is in use (broker.port)`,
  });
});

test('an address that this machine does not have yet is not a bad configuration, so that a service is restarted', async () => {
  await assert.rejects(start(newFolder(), { host: '192.0.2.1' }), {
    exitCode: 1,
    message: /this machine has no such address \(broker\.host\)/,
  });
});

test('a port that an earlier start chose is replaced when it is in use', async t => {
  const folder = newFolder();
  const other = await listen(() => undefined);
  t.after(() => other.close());
  await mkdir(folder);
  await writeFile(join(folder, 'port'), `${other.port}\n`);
  const { log, lines } = recordLog();
  const broker = await start(folder, { log });
  assert.notEqual(broker.url, other.url);
  assert.equal(await readFile(join(folder, 'port'), 'utf8'), `${new URL(broker.url).port}\n`);
  assert.equal(lines.filter(line => line.level === 'warn' && line.fields.port === other.port).length, 1);
});

test('the error says why a broker cannot run', async () => {
  const folder = newFolder();
  await mkdir(folder);
  await writeFile(join(folder, 'store'), 'a file where its store should be');
  await assert.rejects(start(folder), {
    code: 'not_writable',
    message: /store.*: a part of the path is not a folder/,
  });
  const bad = newFolder();
  await mkdir(bad);
  await writeFile(join(bad, 'issuer.nk'), 'short\n');
  const text = /issuer\.nk does not hold the key that signs who may connect/;
  await assert.rejects(loadBrokerAccess(bad), { code: 'bad_state', message: text });
});

test('its log lines are forwarded: information as detail, and errors once a minute', async () => {
  const { log, lines } = recordLog();
  const broker = await start(newFolder(), { log });
  const stranger = connectTo(broker.url, { credentials: () => ({ token: 'wrong' }) });
  await stateOf(stranger, 'disconnected');
  await eventually('the refusal', () => lines.some(line => /authentication error/.test(line.message)));
  await connectWith(broker).connected();
  await stateOf(connectTo(broker.url, { credentials: () => ({ token: 'wrong too' }) }), 'disconnected');
  assert.equal(lines.filter(line => /authentication error/.test(line.message)).length, 1);
  assert.ok(lines.some(line => line.level === 'debug' && /Starting nats-server/.test(line.message)));
});

test('a chosen port is not one that the system uses for outgoing connections', async () => {
  const first = await start(newFolder());
  const port = Number(new URL(first.url).port);
  assert.ok(port >= 10_000 && port < 32_768, first.url);
  // The random number always gives a port that is in use, so any other port is chosen.
  const random = { fraction: () => (port - 10_000 + 0.5) / 22_768, uuid: () => '' };
  const second = await start(newFolder(), { random });
  assert.notEqual(second.url, first.url);
});

test('a chosen port is replaced when another program takes it before the server listens', async () => {
  const folder = newFolder();
  await mkdir(folder);
  const server = await findProgram('nats-server');
  // Another program takes the port before the first server does, and has ended when the second server starts.
  const binary = join(folder, 'late-server');
  const script = `#!/bin/sh
case $1 in -v | --version) exec ${server} "$1" ;; esac
[ -e ${folder}/tried ] && exec ${server} "$@"
: >${folder}/tried
echo '[1] [FTL] Error listening on port: 127.0.0.1:1, "listen tcp 127.0.0.1:1: bind: address already in use"' >&2
exit 1
`;
  await writeFile(binary, script, { mode: 0o755 });
  const broker = await start(folder, { binary });
  await connectWith(broker).connected();

  await rm(join(folder, 'tried'));
  const told = { code: 'in_use', message: /^the broker ended .*: address already in use"$/ };
  await assert.rejects(start(newFolder(), { binary, port: await freePort() }), told);
});
