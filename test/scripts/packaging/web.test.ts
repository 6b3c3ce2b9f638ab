// The web page is built: files with hashes in their names, each compressed too, small, and without inline scripts or styles.
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { type BuiltWeb, buildWeb } from '../../../scripts/packaging/web.ts';
import { newFolder } from '../../support/temporary.ts';

describe('the web page', () => {
  let folder: string;
  let built: BuiltWeb;
  before(async () => {
    folder = await newFolder();
    await writeFile(join(folder, 'page-of-an-earlier-build.js'), '');
    built = await buildWeb(folder);
  });

  it('has the files that its HTML names, and no others', async () => {
    const html = await readFile(join(folder, 'index.html'), 'utf8');
    const named = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path = '']) => path);
    assert.equal(named.length, 3);
    const names = (await readdir(folder)).sort();
    assert.deepEqual(names, built.names);
    for (const path of named) {
      assert.match(path, /^\/ui\/[a-z]+-[\w-]{8}\.(?:js|css|svg)$/);
      assert.ok(names.includes(path.slice('/ui/'.length)), path);
    }
  });

  it('has each file compressed beside it', async () => {
    for (const name of built.names.filter(each => !/\.(?:br|gz)$/.test(each))) {
      const plain = await readFile(join(folder, name));
      assert.deepEqual(brotliDecompressSync(await readFile(join(folder, `${name}.br`))), plain, name);
      assert.deepEqual(gunzipSync(await readFile(join(folder, `${name}.gz`))), plain, name);
    }
  });

  it('has no inline script or style, and names no other host', async () => {
    const html = await readFile(join(folder, 'index.html'), 'utf8');
    assert.doesNotMatch(html, /style=|<style|\son\w+=|<script[^>]*>[^<]/);
    assert.doesNotMatch(html, /\{\w+\}|https?:/);
  });

  it('has at most 80 kB of scripts and styles, compressed', () => {
    assert.ok(built.compressedBytes > 1000);
    assert.ok(built.compressedBytes <= 80_000, `${built.compressedBytes} bytes`);
  });

  it('is the same when it is built again', async () => {
    const again = await newFolder();
    assert.deepEqual((await buildWeb(again)).names, built.names);
  });
});
