// Checks that `muster doctor` shows a result for each check when the process that runs them dies, hangs or writes nonsense.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCheckProcess } from '../../agent/doctor/check-process.ts';
import { ResultCollector } from '../../agent/doctor/result-collector.ts';
import { runWithFewFiles } from '../support/few-files.ts';

const plan = JSON.stringify({ plan: { roles: ['agent'], data: '/d', checks: ['one', 'two', 'three'] } });
const result = (check: string) =>
  JSON.stringify({ result: { check, findings: [{ status: 'ok', text: `${check} is well` }] } });

/** Runs the JavaScript `program` in place of the process that runs the checks. */
async function runInstead(program: string, timeoutMs = 60_000) {
  let shown = '';
  const collector = new ResultCollector({
    show(text) {
      shown += text;
    },
    look: { colour: false },
    timeoutMs,
  });
  const command = { command: process.execPath, args: ['-e', program] };
  const end = await runCheckProcess(command, {
    timeoutMs,
    onMessage: message => collector.receive(message),
  });
  const { results } = collector.finish(end);
  return { end, shown, results, texts: results.map(({ findings }) => findings[0]?.text) };
}

const write = (...lines: string[]) => `process.stdout.write(${JSON.stringify(`${lines.join('\n')}\n`)});`;
const hang = 'setInterval(() => undefined, 1000);';

test('when all results came, the process is ended although it hangs, and the results are shown in order', async () => {
  const { end, shown, texts } = await runInstead(
    write(plan, result('three'), result('one'), result('two'), JSON.stringify({ done: true })) + hang,
  );
  assert.deepEqual(end, { kind: 'done' });
  assert.deepEqual(texts, ['one is well', 'two is well', 'three is well']);
  assert.match(shown, /^muster \S+, agent, data in \/d\nok {7}one .*\nok {7}two .*\nok {7}three .*\n$/);
});

test('when the process crashes, the missing checks have failed and say why', async () => {
  const { end, texts, results } = await runInstead(
    `${write(plan, result('one'))} process.kill(process.pid, 'SIGSEGV'); ${hang}`,
  );
  assert.deepEqual(end, { kind: 'died', how: 'SIGSEGV' });
  const text = 'it was not checked: the process that runs the checks ended (SIGSEGV)';
  assert.deepEqual(texts, ['one is well', text, text]);
  assert.equal(results[1]?.findings[0]?.status, 'failed');
});

test('when the process hangs, the missing checks have failed at the timeout', async () => {
  const { end, texts } = await runInstead(write(plan, result('two')) + hang, 2_000);
  assert.deepEqual(end, { kind: 'late' });
  const text = 'no answer within 2 s: what it asks hangs';
  assert.deepEqual(texts, [text, 'two is well', text]);
});

test('when the process hangs before its first message, the configuration has failed', async () => {
  const { results } = await runInstead(hang, 500);
  assert.deepEqual(
    results.map(({ check, findings }) => [check, findings[0]?.text]),
    [['configuration', 'no answer within 0.5 s: what it asks hangs']],
  );
});

test('a process that cannot be started is reported like one that ended', async () => {
  const onMessage = () => assert.fail('there can be no message');
  const end = await runCheckProcess({ command: '/nonexistent', args: [] }, { timeoutMs: 60_000, onMessage });
  assert.equal(end.kind, 'died');
});

test('when no more files may be open, the process has no output, and its end says so', async () => {
  const module = new URL('../../agent/doctor/check-process.ts', import.meta.url).href;
  const program = `
    const { runCheckProcess } = await import(${JSON.stringify(module)});
    const { openSync, closeSync } = await import('node:fs');
    const open = [];
    try { for (;;) open.push(openSync('/dev/null')); } catch {}
    const command = { command: process.execPath, args: ['-e', ''] };
    const end = await runCheckProcess(command, { timeoutMs: 60_000, onMessage() {} });
    open.forEach(each => closeSync(each));
    console.log(JSON.stringify(end));`;
  const { stdout } = await runWithFewFiles(program);
  assert.deepEqual(JSON.parse(stdout), { kind: 'died', how: `spawn ${process.execPath} EMFILE` });
});

test('the process is ended when it writes something else than a result, or writes without end', async () => {
  const other = await runInstead(`${write(plan, result('one'), 'libcuda says hello')} ${hang}`);
  assert.deepEqual(other.end, { kind: 'died', how: 'it wrote something that is not a result' });
  const flood = await runInstead(`${write(plan)} setInterval(() => process.stdout.write('x'.repeat(1e6)));`);
  assert.equal(flood.end.kind, 'died');
  assert.match(flood.texts[0] ?? '', /it wrote more than \d+ characters/);
});
