// The output of the program is closed, full or not read. Roles keep running and stop cleanly, and commands keep their exit
// codes.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { AgentStatus } from '../../agent/compute/agent-status.ts';
import { askHolder } from '../../agent/system/role-socket.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { findProgram } from '../support/find-program.ts';
import { fullPipe } from '../support/full-pipe.ts';
import { listen } from '../support/listener.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import type { Program } from '../support/program.ts';
import { mountSmallDisk } from '../support/small-disk.ts';
import { newFolder } from '../support/temporary.ts';

const main = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));
// The roles write as much as they can.
const talkative = { 'log.level': 'trace' };

describe('a role whose output nobody takes', () => {
  let broker: NatsServer;
  let cluster: Cluster;

  before(async () => {
    broker = await startNatsServer();
    cluster = await Cluster.create({ servers: broker.url, settings: talkative });
  });

  after(async () => {
    await cluster.release();
    await broker.release();
  });

  /** Asserts that the agent `id` still sends heartbeats and that SIGTERM ends it cleanly. */
  async function keepsRunning(id: string, agent: Program): Promise<void> {
    const heartbeats = async () => (await cluster.status()).counters.heartbeats;
    const before = await heartbeats();
    await eventually(`${id} sends heartbeats`, async () => (await heartbeats()) > before + 3);
    assert.equal((await agent.stop()).code, 0);
    await cluster.until(id, 'PENDING UNKNOWN');
  }

  it('keeps running when its reader has gone', async () => {
    const requester = await cluster.requester();
    const agent = await cluster.agent('gone');
    requester.closeOutput();
    agent.closeOutput();
    // Each of these makes the role write something.
    agent.signal('SIGHUP');
    requester.signal('SIGHUP');
    await keepsRunning('gone', agent);
    assert.equal((await requester.stop()).code, 0);
  });

  it('keeps running when its reader does not read', async () => {
    const pipe = await fullPipe(await newFolder());
    try {
      const requester = await cluster.requester({}, { wait: false, stderr: pipe.fd });
      await eventually('the requester answers', () =>
        cluster.status().then(
          ({ state }) => state === 'ready',
          () => false,
        ),
      );
      const agent = await cluster.agent('unread', {}, { wait: false, stderr: pipe.fd });
      await cluster.until('unread', 'PENDING HEALTHY');
      await keepsRunning('unread', agent);
      assert.equal((await requester.stop()).code, 0);
    } finally {
      pipe.close();
    }
  });

  it('keeps running when its disk is full, and writes again when there is room', async t => {
    const disk = await mountSmallDisk();
    if (!disk) return t.skip('only root can mount a small file system, and not in every container');
    const requester = await cluster.requester();
    try {
      const log = join(disk.folder, 'log');
      const fd = openSync(log, constants.O_CREAT | constants.O_WRONLY | constants.O_APPEND);
      await disk.fill();
      const agent = await cluster.agent('full', {}, { wait: false, stderr: fd });
      closeSync(fd);
      await cluster.until('full', 'PENDING HEALTHY');
      await disk.makeRoom();
      await keepsRunning('full', agent);
      const lines = (await readFile(log, 'utf8'))
        .trimEnd()
        .split('\n')
        .map(line => JSON.parse(line));
      assert.equal(lines.at(-1).msg, 'stopped');
      const lost = lines.find(line => 'lost' in line);
      assert.match(lost?.msg, /lines of this log were lost/);
      assert.ok(lost?.lost > 0 && lost.level === 'warn');
    } finally {
      await requester.stop();
      await disk.release();
    }
  });

  it('keeps running when its terminal was stopped with Ctrl-S', async t => {
    const script = await findProgram('script').catch(() => undefined);
    if (process.platform !== 'linux' || !script)
      return t.skip('there is no script(1) of Linux to make a terminal');
    const requester = await cluster.requester();
    const folder = cluster.folderOf('stopped');
    const command = [process.execPath, main, 'agent', '--node-id', 'stopped', '--data-dir', folder];
    const settings = ['--nats-servers', cluster.servers, '--compute-heartbeat-frequency', '50ms'];
    // script(1) is the terminal: while it is suspended, nobody reads.
    const log = ['--log-level', 'trace', '--log-format', 'text'];
    const line = [...command, ...settings, ...log].map(word => `'${word}'`).join(' ');
    const terminal = spawn(script, ['-qec', line, '/dev/null'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    terminal.stdout.resume();
    try {
      await cluster.until('stopped', 'PENDING HEALTHY');
      const pid = (await status(folder)).pid;
      terminal.kill('SIGSTOP');
      // Each reload writes a line, so these fill the terminal's buffer many times over.
      for (let count = 0; count < 400; count++) {
        process.kill(pid, 'SIGHUP');
        await status(folder);
      }
      const before = (await status(folder)).heartbeats;
      await eventually('it sends heartbeats', async () => (await status(folder)).heartbeats > before + 3);
      process.kill(pid, 'SIGTERM');
      await cluster.until('stopped', 'PENDING UNKNOWN');
      await eventually('it ends', async () => (await askStatus(folder)) === undefined);
    } finally {
      terminal.kill('SIGCONT');
      terminal.kill('SIGKILL');
      await requester.stop();
    }
  });

  it('keeps running when a library prints something about nonsense from a broker', async () => {
    const greeting = 'INFO {"max_payload":1048576,"version":"2.12.0","headers":true}\r\n';
    const mad = await listen(socket => {
      socket.write(greeting);
      socket.once('data', () => socket.write('PONG\r\nNONSENSE \u001b[2J\r\n'));
    });
    try {
      const settings = { 'nats.servers': mad.url };
      const reader = await cluster.agent('nonsense', settings, { wait: false });
      await reader.untilPrinted(/a library says: /);
      assert.equal(reader.stdout, '');
      assert.match(reader.stderr, /^Warning: a library says: reader closed Error: .*NONSENSE \\u001b\[2J$/m);
      assert.match(reader.stderr, /^[\x20-\x7e\n]+$/);
      const agent = await cluster.agent('unheard', settings, { wait: false });
      await agent.untilPrinted(/the agent starts/);
      agent.closeOutput();
      const before = mad.accepted;
      await eventually('both try again', () => mad.accepted > before + 4);
      for (const each of [reader, agent]) assert.equal((await each.stop()).code, 0);
    } finally {
      await mad.close();
    }
  });

  const askStatus = (folder: string) => askHolder(join(folder, 'agent'), { command: 'status' });

  async function status(folder: string): Promise<AgentStatus> {
    const answer = await askStatus(folder);
    assert.ok(answer, 'the agent answers');
    return answer as AgentStatus;
  }
});

describe('a command whose output nobody takes', () => {
  const shell = async (line: string) =>
    promisify(execFile)('sh', ['-c', line, 'sh', process.execPath, main], {
      env: { PATH: process.env.PATH, HOME: await newFolder() },
    }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
    );

  it('keeps its exit code when standard output, error and input are closed', async () => {
    for (const closed of ['>&-', '2>&-', '>&- 2>&-', '<&- >&- 2>&-']) {
      for (const command of ['version', 'config show', '--help', 'version -o json']) {
        const { code, stderr } = await shell(`"$@" ${command} ${closed}`);
        assert.deepEqual([code, stderr], [0, ''], `${command} ${closed}`);
      }
      assert.equal((await shell(`"$@" status ${closed}`)).code, 69, closed);
      assert.equal((await shell(`"$@" nonsense ${closed}`)).code, 64, closed);
    }
  });

  it('keeps its exit code when the reader of its errors has gone', async () => {
    const child = spawn(process.execPath, [main, 'status', '--data-dir', await newFolder()], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stderr.destroy();
    assert.deepEqual(await once(child, 'close'), [69, null]);
  });

  it('ends when the reader of its errors does not read', async () => {
    const pipe = await fullPipe(await newFolder());
    const child = spawn(process.execPath, [main, 'status', '--data-dir', await newFolder()], {
      stdio: ['ignore', 'pipe', pipe.fd],
    });
    assert.deepEqual(await once(child, 'close'), [69, null]);
    pipe.close();
  });

  it('prints a sentence and exits with 1 when the disk for its output is full', async t => {
    if (process.platform !== 'linux') return t.skip('only Linux has /dev/full');
    const { code, stderr } = await shell('"$@" config show > /dev/full');
    assert.equal(code, 1);
    assert.match(stderr, /^Error: cannot write the output: .*no space left on device/);
    assert.equal((await shell('"$@" nonsense > /dev/full 2> /dev/full')).code, 64);
  });
});
