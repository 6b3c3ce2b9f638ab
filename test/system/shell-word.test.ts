// A command in a message can be copied: a real shell reads the same words.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { shellLine } from '../../agent/system/shell-word.ts';

test('plain words stay as they are, and others are quoted as little as possible', () => {
  assert.equal(shellLine(['muster', '--labels=rack=b7', 'gpu_1']), 'muster --labels=rack=b7 gpu_1');
  assert.equal(shellLine(["--message=it's"]), `--message='it'\\''s'`);
  assert.equal(shellLine(['', '$(x)', '--labels=zone in (eu)']), `'' '$(x)' --labels='zone in (eu)'`);
  assert.equal(shellLine(['a\u001b[31m\nb']), `$'a\\x1b[31m\\x0ab'`);
});

test('bash reads the words that were written', () => {
  const character = fc.constantFrom(...'ab\'"\\ $`!*?~=-\n\u001b\u202e\u00e9\u{1f600}#&;|<>()[]{}0');
  const word = fc.string({ unit: character, maxLength: 12 });
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 6 }), words => {
      const line = shellLine(words);
      assert.doesNotMatch(line, /[\p{Cc}\p{Cf}]/u);
      const printed = execFileSync('bash', ['--norc', '-c', `printf '%s\\0' ${line}`], {
        encoding: 'utf8',
        // Bash reads its start-up files when its input is a socket.
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { LC_ALL: 'C.UTF-8' },
      });
      assert.deepEqual(printed.split('\0').slice(0, -1), words);
    }),
    { numRuns: 60 },
  );
});
