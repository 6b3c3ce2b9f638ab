// The check of citations finds those that a test plants, and nothing else.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { citationsIn } from '../../scripts/citations.ts';
import { newFolder } from '../support/temporary.ts';

/** Returns the faults of a project with one file that holds `text`, and a page docs/install.md. */
async function faultsOf(text: string): Promise<string[]> {
  const root = await newFolder();
  await mkdir(join(root, 'agent'));
  await mkdir(join(root, 'docs'));
  await writeFile(join(root, 'docs/install.md'), '# Install\n');
  await writeFile(join(root, 'agent/file.ts'), text);
  return citationsIn(root);
}

// Each citation is put together here, because this file is checked too.
const cited = (...parts: string[]): string => parts.join('');

test('a citation of a section of a page that is not in the project is a fault', async () => {
  for (const citation of [cited('design', ' 5.6'), cited('wire protocol', ' 2'), cited('requester', ' 4.2')])
    assert.deepEqual(await faultsOf(`// A rule.\n// See (${citation}).`), [
      `agent/file.ts:2 cites "${citation}", which is no page of this project.
  Write the rule itself in a sentence, or name a section of ARCHITECTURE.md.`,
    ]);
});

test('a citation of a page that is not in the project is a fault', async () => {
  const page = cited('house', '.md');
  const [fault, ...others] = await faultsOf(`// As ${page} says.`);
  assert.match(fault ?? '', new RegExp(`^agent/file\\.ts:1 cites "${page}"`));
  assert.deepEqual(others, []);
});

test("the path of a folder on the author's machine is a fault", async () => {
  const folder = cited('/work', '/shared/notes');
  assert.deepEqual(await faultsOf(`// It lies in ${folder}.`), [
    `agent/file.ts:1 names ${folder}, a folder of the machine on which it was written.
  Leave it out, or describe it in words that hold on every machine.`,
  ]);
});

test('pages of the project, public sources, and words that only look like citations are no fault', async () => {
  const text = `// See docs/install.md, README.md, RFC 9110, proc(5) and bacalhau#4198.
// The requester 2 of this test answers in 5 s; the design has 3 floors; /home/work/x and /var/work/ are folders.`;
  assert.deepEqual(await faultsOf(text), []);
});
