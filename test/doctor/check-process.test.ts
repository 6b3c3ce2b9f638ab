// The process that looks dies, hangs or babbles: whoever asked still has an answer to each check.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runLooker } from '../../agent/doctor/check-process.ts';
import { Listener } from '../../agent/doctor/result-collector.ts';
import { runWithFewFiles } from '../support/few-files.ts';

const begun = JSON.stringify({ begun: { roles: ['agent'], data: '/d', checks: ['one', 'two', 'three'] } });
const found = (check: string) =>
  JSON.stringify({ result: { check, findings: [{ status: 'ok', text: `${check} is well` }] } });

/** Runs `program` in the place of the process that looks. */
async function look(program: string, deadline = 60_000) {
  let shown = '';
  const listener = new Listener({
    show(text) {
      shown += text;
    },
    colour: false,
    deadline,
  });
  const command = { command: process.execPath, args: ['-e', program] };
  const ending = await runLooker(command, { deadline, told: told => listener.hear(told) });
  const { results } = listener.end(ending);
  return { ending, shown, results, texts: results.map(({ findings }) => findings[0]?.text) };
}

const say = (...lines: string[]) => `process.stdout.write(${JSON.stringify(`${lines.join('\n')}\n`)});`;
const never = 'setInterval(() => undefined, 1000);';

test('all is told: it is ended, whatever hangs in it, and shown in order', async () => {
  const { ending, shown, texts } = await look(
    say(begun, found('three'), found('one'), found('two'), JSON.stringify({ ended: true })) + never,
  );
  assert.deepEqual(ending, { kind: 'done' });
  assert.deepEqual(texts, ['one is well', 'two is well', 'three is well']);
  assert.match(shown, /^muster \S+, agent, data in \/d\nok {7}one .*\nok {7}two .*\nok {7}three .*\n$/);
});

test('it crashes midway: what it did not come to has failed, and says why', async () => {
  const { ending, texts, results } = await look(
    `${say(begun, found('one'))} process.kill(process.pid, 'SIGSEGV'); ${never}`,
  );
  assert.deepEqual(ending, { kind: 'died', how: 'SIGSEGV' });
  const text = 'it was not looked at: the process that looks ended (SIGSEGV)';
  assert.deepEqual(texts, ['one is well', text, text]);
  assert.equal(results[1]?.findings[0]?.status, 'failed');
});

test('it hangs: at the deadline what is missing has failed', async () => {
  const { ending, texts } = await look(say(begun, found('two')) + never, 2_000);
  assert.deepEqual(ending, { kind: 'late' });
  const text = 'no answer within 2 s: what it asks hangs';
  assert.deepEqual(texts, [text, 'two is well', text]);
});

test('it hangs before it says anything: that is told too', async () => {
  const { results } = await look(never, 500);
  assert.deepEqual(
    results.map(({ check, findings }) => [check, findings[0]?.text]),
    [['configuration', 'no answer within 0.5 s: what it asks hangs']],
  );
});

test('it cannot be started', async () => {
  const told = () => assert.fail('nothing can be told');
  const ending = await runLooker({ command: '/nonexistent', args: [] }, { deadline: 60_000, told });
  assert.equal(ending.kind, 'died');
});

test('no more files may be open: it has no output then, and that is told', async () => {
  const looker = new URL('../../agent/doctor/check-process.ts', import.meta.url).href;
  const program = `
    const { runLooker } = await import(${JSON.stringify(looker)});
    const { openSync, closeSync } = await import('node:fs');
    const open = [];
    try { for (;;) open.push(openSync('/dev/null')); } catch {}
    const command = { command: process.execPath, args: ['-e', ''] };
    const ending = await runLooker(command, { deadline: 60_000, told() {} });
    open.forEach(each => closeSync(each));
    console.log(JSON.stringify(ending));`;
  const { stdout } = await runWithFewFiles(program);
  assert.deepEqual(JSON.parse(stdout), { kind: 'died', how: `spawn ${process.execPath} EMFILE` });
});

test('what it prints beside its findings, or without end, is the end of it', async () => {
  const babble = await look(`${say(begun, found('one'), 'libcuda says hello')} ${never}`);
  assert.deepEqual(babble.ending, { kind: 'died', how: 'it said something else than what it found' });
  const flood = await look(`${say(begun)} setInterval(() => process.stdout.write('x'.repeat(1e6)));`);
  assert.equal(flood.ending.kind, 'died');
  assert.match(flood.texts[0] ?? '', /it said more than \d+ characters/);
});
