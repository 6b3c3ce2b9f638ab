// Nobody takes what the program writes: the output is closed, full, or not read. Roles live on, and stop as always.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { AgentStatus } from '../../agent/compute/agent.ts';
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
// The most that there is to say.
const talkative = { 'log.level': 'trace' };

describe('the output of a role is taken by nobody', () => {
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

  /** The agent `id` goes on to send heartbeats, and SIGTERM ends it in order. */
  async function livesOn(id: string, agent: Program): Promise<void> {
    const heartbeats = async () => (await cluster.status()).counters.heartbeats;
    const before = await heartbeats();
    await eventually(`${id} sends heartbeats`, async () => (await heartbeats()) > before + 3);
    assert.equal((await agent.stop()).code, 0);
    await cluster.until(id, 'PENDING UNKNOWN');
  }

  it('its reader went away', async () => {
    const requester = await cluster.requester();
    const agent = await cluster.agent('gone');
    requester.closeOutput();
    agent.closeOutput();
    // Each has something to say about this.
    agent.signal('SIGHUP');
    requester.signal('SIGHUP');
    await livesOn('gone', agent);
    assert.equal((await requester.stop()).code, 0);
  });

  it('its reader does not read', async () => {
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
      await livesOn('unread', agent);
      assert.equal((await requester.stop()).code, 0);
    } finally {
      pipe.close();
    }
  });

  it('its disk is full, and then has room again', async t => {
    const disk = await mountSmallDisk();
    if (!disk) return t.skip('only root may mount a small file system, and not in every container');
    const requester = await cluster.requester();
    try {
      const log = join(disk.folder, 'log');
      const fd = openSync(log, constants.O_CREAT | constants.O_WRONLY | constants.O_APPEND);
      await disk.fill();
      const agent = await cluster.agent('full', {}, { wait: false, stderr: fd });
      closeSync(fd);
      await cluster.until('full', 'PENDING HEALTHY');
      await disk.makeRoom();
      await livesOn('full', agent);
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

  it('its terminal was stopped with Ctrl-S', async t => {
    const script = await findProgram('script').catch(() => undefined);
    if (process.platform !== 'linux' || !script)
      return t.skip('needs the script(1) of Linux to be a terminal');
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
      // Until what a terminal holds back is used up many times over: each reload says a line.
      for (let count = 0; count < 400; count++) {
        process.kill(pid, 'SIGHUP');
        await status(folder);
      }
      const before = (await status(folder)).heartbeats;
      await eventually('it sends heartbeats', async () => (await status(folder)).heartbeats > before + 3);
      process.kill(pid, 'SIGTERM');
      await cluster.until('stopped', 'PENDING UNKNOWN');
      await eventually('it ends', async () => (await ask(folder)) === undefined);
    } finally {
      terminal.kill('SIGCONT');
      terminal.kill('SIGKILL');
      await requester.stop();
    }
  });

  it('nobody takes what a library prints about nonsense from a broker', async () => {
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

  const ask = (folder: string) => askHolder(join(folder, 'agent'), { command: 'status' });

  async function status(folder: string): Promise<AgentStatus> {
    const answer = await ask(folder);
    assert.ok(answer, 'the agent answers');
    return answer as AgentStatus;
  }
});

describe('the output of a command is taken by nobody', () => {
  const shell = async (line: string) =>
    promisify(execFile)('sh', ['-c', line, 'sh', process.execPath, main], {
      env: { PATH: process.env.PATH, HOME: await newFolder() },
    }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
    );

  it('standard output is closed, standard error, both, and standard input too', async () => {
    for (const closed of ['>&-', '2>&-', '>&- 2>&-', '<&- >&- 2>&-']) {
      for (const command of ['version', 'config show', '--help', 'version -o json']) {
        const { code, stderr } = await shell(`"$@" ${command} ${closed}`);
        assert.deepEqual([code, stderr], [0, ''], `${command} ${closed}`);
      }
      assert.equal((await shell(`"$@" status ${closed}`)).code, 69, closed);
      assert.equal((await shell(`"$@" nonsense ${closed}`)).code, 64, closed);
    }
  });

  it('the reader of its errors went away: the exit code still tells', async () => {
    const child = spawn(process.execPath, [main, 'status', '--data-dir', await newFolder()], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stderr.destroy();
    assert.deepEqual(await once(child, 'close'), [69, null]);
  });

  it('the reader of its errors does not read: it ends all the same', async () => {
    const pipe = await fullPipe(await newFolder());
    const child = spawn(process.execPath, [main, 'status', '--data-dir', await newFolder()], {
      stdio: ['ignore', 'pipe', pipe.fd],
    });
    assert.deepEqual(await once(child, 'close'), [69, null]);
    pipe.close();
  });

  it('the disk under its output is full: a sentence, and code 1', async t => {
    if (process.platform !== 'linux') return t.skip('only Linux has /dev/full');
    const { code, stderr } = await shell('"$@" config show > /dev/full');
    assert.equal(code, 1);
    assert.match(stderr, /^Error: cannot write the output: .*no space left on device/);
    assert.equal((await shell('"$@" nonsense > /dev/full 2> /dev/full')).code, 64);
  });
});
