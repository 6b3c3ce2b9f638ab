// Packaging is reproducible: two builds of the same checkout give the same bytes.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { type Built, build } from '../../scripts/packaging/build.ts';
import { ownTarget } from '../../scripts/packaging/target.ts';
import { findProgram } from '../support/find-program.ts';
import { cannotPackage, packaged } from '../support/packaged.ts';
import { newFolder } from '../support/temporary.ts';

describe('two builds of the packaged file', { skip: cannotPackage }, () => {
  let first: Built;
  let second: Built;
  let root: string;

  before(async () => {
    root = await newFolder();
    const target = ownTarget() ?? assert.fail('there is no target');
    first = await packaged();
    second = await build({ target, broker: await findProgram('nats-server'), fast: true, root });
  });

  after(() => rm(root, { recursive: true }));

  it('have the same bundle, Node, probe, broker, notices and description of contents', async () => {
    const names = Object.keys(first.parts);
    assert.deepEqual(Object.keys(second.parts), names);
    for (const name of ['bundle', 'node', 'contents.json', 'THIRD-PARTY-NOTICES', 'nats-server.zst'])
      assert.ok(names.includes(name), name);
    for (const name of names)
      assert.equal(await digest(second.parts[name]), await digest(first.parts[name]), name);
    assert.deepEqual(second.contents, first.contents);
  });

  it('are the same file, also in their code cache', async () => {
    assert.equal(await digest(second.file), await digest(first.file));
  });
});

const digest = async (path = ''): Promise<string> =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
