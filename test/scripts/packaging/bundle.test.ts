// The bundle runs only the code that a command needs.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { version } from '../../../agent/system/version.ts';
import { type Bundle, bundle } from '../../../scripts/packaging/bundle.ts';
import { newFolder } from '../../support/temporary.ts';

const run = promisify(execFile);

describe('the bundle', () => {
  let folder: string;
  let file: string;
  let assets: string;
  let all: Bundle;
  let code: string;
  let packages: readonly string[];

  before(async () => {
    folder = await newFolder();
    file = join(folder, 'muster.cjs');
    all = await bundle();
    packages = all.packages;
    code = [all.main, ...all.chunks.values()].join('');
    await writeFile(file, all.main);
    for (const [name, chunk] of all.chunks) await writeFile(join(folder, name), chunk);
    assets = join(await newFolder(), 'assets.cjs');
    await writeFile(assets, assetsIn(folder));
  });

  it('names its packages, and contains no path of this machine', async () => {
    for (const name of ['nats', 'pino', 'yaml', 'systeminformation', 'yargs'])
      assert.ok(packages.includes(`node_modules/${name}`), name);
    assert.ok(!packages.some(name => /rolldown|typescript|biome/.test(name)));
    assert.ok(!code.includes(process.cwd()));
    assert.deepEqual(await bundle(), all);
  });

  it('takes one byte of memory for each letter, and leaves out code that the program never calls', () => {
    assert.match(code, /^[\0-\x7f]*$/);
    assert.match(code, /is left out of the bundle/);
    assert.doesNotMatch(code, /JetStreamManagerImpl ?=|ServiceImpl ?=/);
  });

  it('runs less than a fiftieth of its code for version, and loads none of the large modules of Node', async () => {
    const coverage = join(folder, 'coverage');
    const { stdout, stderr } = await run(process.execPath, ['--require', assets, file, 'version'], {
      env: { ...process.env, NODE_V8_COVERAGE: coverage },
    });
    assert.equal(stdout, `muster ${version}\n`);
    const loaded = new Set(stderr.split('\n'));
    for (const name of [
      'stream',
      'net',
      'tls',
      'http',
      'http2',
      'crypto',
      'child_process',
      'zlib',
      'readline',
      'ffi',
    ])
      assert.ok(!loaded.has(`NativeModule ${name}`), name);
    const share = (await bytesRun(coverage, 'start.cjs')) / code.length;
    assert.ok(share > 0.001 && share < 0.02, String(share));
  });

  it('loads for a command only the chunks that it uses', async () => {
    const loads = async (...args: string[]) => {
      const { stderr } = await run(process.execPath, ['--require', assets, file, ...args]).catch(
        (error: { stderr: string }) => error,
      );
      const modules = new Set(stderr.split('\n'));
      for (const name of ['zlib', 'perf_hooks', 'internal/webstreams/readablestream'])
        assert.ok(args[0] !== 'agent' || !modules.has(`NativeModule ${name}`), name);
      return [...stderr.matchAll(/^loads (.+)\.cjs$/gm)].map(([, name]) => name);
    };
    assert.deepEqual(await loads('version'), ['start', 'runtime']);
    const inventory = await loads('inventory-child');
    assert.ok(inventory.includes('inventory') && !inventory.includes('agent'), inventory.join());
    // These settings are refused after everything is loaded.
    const refused = ['--data-dir', file];
    for (const [role, other] of [
      ['agent', 'requester'],
      ['requester', 'agent'],
    ] as const) {
      const loaded = await loads(role, ...refused);
      assert.ok(loaded.includes(role), loaded.join());
      assert.ok(!loaded.includes(other) && !loaded.includes('inventory'), loaded.join());
    }
  });
});

/**
 * Returns a module that lets the main script read its chunks from `folder`, and writes their names to standard error. At the end it
 * writes the names of Node's own modules that were loaded.
 */
const assetsIn = (folder: string): string => `
  const { readdirSync, readFileSync, writeSync } = require('node:fs');
  const sea = process.getBuiltinModule('node:sea');
  sea.getAssetKeys = () => readdirSync(${JSON.stringify(folder)});
  sea.getRawAsset = name => {
    writeSync(2, 'loads ' + name + '\\n');
    return Uint8Array.from(readFileSync(${JSON.stringify(folder)} + '/' + name)).buffer;
  };
  process.on('exit', () => writeSync(2, process.moduleLoadList.map(name => name + '\\n').join('')));
`;

/**
 * Counts the characters of `file` in functions that ran, according to V8. The function around the whole file is left out.
 */
async function bytesRun(folder: string, file: string): Promise<number> {
  interface Range {
    startOffset: number;
    endOffset: number;
    count: number;
  }
  const [name = ''] = await readdir(folder);
  const { result } = JSON.parse(await readFile(join(folder, name), 'utf8')) as {
    result: { url: string; functions: { ranges: Range[] }[] }[];
  };
  const ran = new Set<number>();
  const ranges =
    result
      .find(({ url }) => url.endsWith(file))
      ?.functions.slice(1)
      .flatMap(each => each.ranges) ?? [];
  // The count of an inner range replaces the count of the outer range around it.
  for (const { startOffset, endOffset, count } of ranges.sort(
    (a, b) => b.endOffset - b.startOffset - a.endOffset + a.startOffset,
  ))
    for (let at = startOffset; at < endOffset; at++)
      if (count > 0) ran.add(at);
      else ran.delete(at);
  return ran.size;
}
