// Tests messages to a service manager, which is a real process with a real socket.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { compile } from '../support/compile.ts';
import { newFolder } from '../support/temporary.ts';
import { probe } from './probe.ts';

/** Starts a service manager that reads `socket`. `next` returns its messages one by one. */
async function receiver(socket: string) {
  const child = spawn(await compile(new URL('receiver.c', import.meta.url), 'receiver'), [socket], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const line = async () => (await lines.next()).value ?? assert.fail('the receiver ended');
  assert.equal(await line(), 'ready');
  return {
    next: async () => Buffer.from(await line(), 'hex').toString(),
    async stop() {
      child.stdin.end();
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}

const codeOf = (socket: string, state: string) => {
  try {
    return probe.notify(socket, state);
  } catch (error) {
    assert.ok(error instanceof Error && 'code' in error);
    return error.code;
  }
};

test('without a socket nothing is sent, and there is no error', () => {
  assert.equal(probe.notify(undefined, 'READY=1'), false);
  assert.equal(probe.notify(null, 'READY=1'), false);
  assert.equal(probe.notify('', 'READY=1'), false);
});

test('a state arrives whole, by a path and by an abstract name', async () => {
  const abstract = process.platform === 'linux' ? [`@muster-test-${process.pid}`] : [];
  for (const socket of [join(await newFolder(), 'notify'), ...abstract]) {
    const manager = await receiver(socket);
    try {
      const longest = `STATUS=${'ü'.repeat(2000)}${'x'.repeat(4096 - 4007)}`;
      for (const state of ['READY=1\nSTATUS=ready, 2 µs late\n', longest, 'WATCHDOG=1']) {
        assert.equal(probe.notify(socket, state), true);
        assert.equal(await manager.next(), state);
      }
      // A service manager ignores a longer message.
      assert.equal(codeOf(socket, `${longest}x`), 'EMSGSIZE');
      assert.equal(codeOf(socket, 'x'.repeat(10_000_000)), 'EMSGSIZE');
      assert.equal(probe.notify(socket, 'STOPPING=1'), true);
      assert.equal(await manager.next(), 'STOPPING=1');
    } finally {
      await manager.stop();
    }
    // Nobody reads this socket any more.
    const gone = codeOf(socket, 'READY=1');
    assert.equal(gone, 'ECONNREFUSED');
    if (!socket.startsWith('@')) await rm(socket);
  }
});

test('a bad address is an error with the code of the system', async () => {
  const folder = await newFolder();
  assert.equal(codeOf(join(folder, 'none'), 'READY=1'), 'ENOENT');
  for (const address of [
    'relative',
    'vsock:2:1234',
    '/with\0nul',
    `/${'x'.repeat(200)}`,
    `@${'x'.repeat(200)}`,
  ]) {
    assert.equal(codeOf(address, 'READY=1'), 'EINVAL', address);
  }
  const stream = createServer().listen(join(folder, 'stream'));
  await once(stream, 'listening');
  assert.equal(codeOf(join(folder, 'stream'), 'READY=1'), 'EPROTOTYPE');
  stream.close();
  assert.throws(
    () => probe.notify(join(folder, 'none'), 'READY=1'),
    /^Error: notify .*none: No such file or directory/,
  );
});
