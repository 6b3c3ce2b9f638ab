// Tests how a process ends while its threads hang.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hangingFiles } from './hanging-files.ts';
import { inChild } from './probe.ts';

test('exitNow ends a process whose threads for files all hang, with its exit code and its output', async () => {
  const script = `
    const fs = require('node:fs');
    for (let i = 0; i < 8; i++) fs.open('/hangs/' + i, () => {});
    setImmediate(() => {
      process.on('exit', () => console.log('not run'));
      console.log('x'.repeat(60000));
      probe.exitNow(7);
    });`;
  const ended = await inChild(script, await hangingFiles({ paths: ['/hangs'] }));
  assert.deepEqual(
    { ...ended, stdout: ended.stdout.length },
    { code: 7, signal: null, stdout: 60_001, stderr: '' },
  );
});
