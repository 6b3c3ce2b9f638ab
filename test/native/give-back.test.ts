// Tests that a process which gives memory back runs on as before, and holds less garbage and fewer pages of its own file.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inChild } from './probe.ts';

const script = `
  const { createHash } = require('node:crypto');
  const { readFileSync } = require('node:fs');
  const filePages = () => {
    const text = readFileSync('/proc/self/smaps_rollup', 'latin1');
    const kilobytes = name => Number(new RegExp('^' + name + ':\\\\s+(\\\\d+) kB', 'm').exec(text)[1]);
    return kilobytes('Rss') - kilobytes('Anonymous');
  };
  const work = () =>
    createHash('sha256').update(JSON.stringify([...'work'].map((x, i) => [x, /w(.)/u.exec('work'), i * 1.5]))).digest('hex');
  const expected = work();
  const before = filePages();
  probe.giveBackProgram();
  const after = filePages();
  const results = [work()];
  for (let i = 0; i < 20; i++) {
    probe.giveBackFreed();
    probe.giveBackProgram();
    results.push(work());
  }
  setTimeout(async () => {
    const { stdout } = await require('node:util').promisify(require('node:child_process').execFile)('echo', ['a child']);
    console.log(JSON.stringify({ before, after, same: results.every(result => result === expected), stdout }));
  });`;

test('a process gives pages of its file back and runs on', async t => {
  if (process.platform !== 'linux') return t.skip('only Linux tells the pages of a process');
  const { code, signal, stdout, stderr } = await inChild(script);
  assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
  const told = JSON.parse(stdout);
  assert.deepEqual({ same: told.same, stdout: told.stdout }, { same: true, stdout: 'a child\n' });
  assert.ok(told.after < told.before, `${told.after} of ${told.before} kB are left`);
});

const withGarbage = `
  const { createHash } = require('node:crypto');
  const work = text => createHash('sha256').update(JSON.stringify([...text].map((x, i) => [x, i * 1.5]))).digest('hex');
  const kept = Array.from({ length: 1000 }, (_, i) => ({ i, text: work('kept ' + i) }));
  const weak = kept.map(each => new WeakRef(each));
  const lost = Array.from({ length: 1000 }, (_, i) => new WeakRef({ i }));
  const expected = work('work');
  // A script keeps what its weak references name until it has ended.
  setTimeout(() => {
    for (let i = 0; i < 5; i++) probe.giveBackGarbage();
    console.log(JSON.stringify({
      lost: lost.filter(each => each.deref()).length,
      kept: weak.filter((each, i) => each.deref() === kept[i] && kept[i].text === work('kept ' + i)).length,
      same: work('work') === expected,
    }));
  });`;

test('a process gives back garbage, keeps all else, and runs code again that was dropped', async () => {
  const { code, signal, stdout, stderr } = await inChild(withGarbage);
  assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
  assert.deepEqual(JSON.parse(stdout), { lost: 0, kept: 1000, same: true });
});
