// Forwards lines as nats-server writes them, and finds the clients that a real server cuts off.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { forwardLog } from '../../agent/broker/server-log.ts';
import { systemClock } from '../../agent/system/clock.ts';
import { connectTo } from '../support/connections.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { findProgram } from '../support/find-program.ts';
import { freePort } from '../support/listener.ts';
import { recordLog } from '../support/log-lines.ts';

async function forwarded(...texts: string[]) {
  const output = new PassThrough();
  const { log, lines } = recordLog();
  forwardLog(output, new FakeClock(), log);
  output.end(texts.map(text => `[77] ${text}\n`).join(''));
  await once(output, 'close');
  return lines.map(({ level, fields, message }) => ({ level, fields, message }));
}

const cutLine = (name: string) =>
  `[INF] 127.0.0.1:34646 - cid:5 - "v2.29.3:nodejs:${name}" - "$G/token" - Slow Consumer Detected: WriteDeadline of 10s exceeded with 3 chunks of 100038 total bytes.`;

test('a client that is cut off is a warning with its name and the reason', async () => {
  assert.deepEqual(await forwarded(cutLine('gpu-7')), [
    {
      level: 'warn',
      fields: {
        client: 'gpu-7',
        address: '127.0.0.1:34646',
        reason: 'WriteDeadline of 10s exceeded with 3 chunks of 100038 total bytes.',
      },
      message: 'the broker cut off gpu-7, which did not read its messages fast enough',
    },
  ]);
});

test('a client whose name the server does not write is called by its address', async () => {
  const [line] = await forwarded(
    '[INF] 127.0.0.1:59204 - cid:5 - Slow Consumer Detected: MaxPending of 67108864 Exceeded',
  );
  assert.deepEqual(line?.fields, {
    client: '127.0.0.1:59204',
    address: '127.0.0.1:59204',
    reason: 'MaxPending of 67108864 Exceeded',
  });
});

test('a client that is cut off again and again is logged once a minute, and another client is logged too', async () => {
  const again = Array.from({ length: 50 }, () => cutLine('gpu-7'));
  const lines = await forwarded(...again, cutLine('gpu-8'));
  assert.deepEqual(
    lines.map(({ fields }) => fields.client),
    ['gpu-7', 'gpu-8'],
  );
});

test('what a client does wrong is a warning, and never the reason why the server ended', async () => {
  const output = new PassThrough();
  const { log, lines } = recordLog();
  const lastProblem = forwardLog(output, new FakeClock(), log);
  output.write('[77] [FTL] no space left on device\n');
  output.write('[77] [ERR] 192.0.2.7:35822 - cid:31 - TLS handshake error: EOF\n');
  output.end('[77] [ERR] 192.0.2.7:33634 - cid:34 - "v1:node:x" - Publish Violation - Subject "$SYS.x"\n');
  await once(output, 'close');
  assert.deepEqual(
    lines.map(({ level }) => level),
    ['error', 'warn', 'warn'],
  );
  assert.equal(lastProblem(), 'no space left on device');
});

test('other information stays a detail, and a name cannot make a line of it', async () => {
  const lines = await forwarded(
    '[INF] Server is ready',
    '[INF] 127.0.0.1:1 - cid:9 - "v1:go:Slow Consumer Detected: x" - "$G/token" - Slow Consumer Recovered: Flush took 1s',
  );
  assert.deepEqual(
    lines.map(({ level }) => level),
    ['debug', 'debug'],
  );
});

test('a real server that cuts a client off is understood', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'muster-slow-'));
  t.after(() => rm(folder, { recursive: true }));
  const port = await freePort();
  const config = join(folder, 'nats.conf');
  const limits = 'max_payload: 60000\nmax_pending: 100000\nlogtime: false\n';
  await writeFile(config, `listen: "127.0.0.1:${port}"\n${limits}`);
  const server = spawn(await findProgram('nats-server'), ['-c', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.after(() => server.kill('SIGKILL'));
  const { log, lines } = recordLog();
  forwardLog(server.stderr, systemClock, log);
  const publisher = connectTo(`nats://127.0.0.1:${port}`);
  await publisher.connected();
  const slow = connect(port, '127.0.0.1');
  t.after(() => slow.destroy());
  const login = { verbose: false, name: 'gpu-7', lang: 'nodejs', version: '2.29.3' };
  slow.write(`CONNECT ${JSON.stringify(login)}\r\nSUB big 1\r\nPING\r\n`);
  await once(slow, 'data');
  slow.pause();
  slow.on('error', () => undefined);
  const isCut = () => lines.some(({ message }) => /^the broker cut off /.test(message));
  await eventually('it is cut off', async () => {
    if (isCut()) return true;
    for (let i = 0; i < 100; i++) publisher.publish('big', new Uint8Array(50_000));
    await publisher.flush(5_000);
    return isCut();
  });
});
