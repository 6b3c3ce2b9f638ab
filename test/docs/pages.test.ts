// The pages are correct: their links have a target, the program reads their commands, and their scripts exist.
import assert from 'node:assert/strict';
import { access, glob, readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { describe, it } from 'node:test';
import { commands } from '../../agent/cli/commands.ts';
import { locate } from '../../agent/cli/line/place.ts';
import { readCommandLine } from '../../agent/cli/run.ts';
import { loadSettings } from '../../agent/config/load.ts';
import { conditionTypes } from '../../agent/protocol/condition-types.ts';
import { conditionKinds, healthKinds, membershipKinds } from '../../agent/protocol/events.ts';
import { pagePath, pages } from '../../scripts/docs.ts';
import { configFile, surroundings } from '../config/surroundings.ts';
import { linksOf, musterCalls, readPage } from '../support/pages.ts';

/** Returns the anchors that GitHub makes of the headings of a page. */
function anchors(text: string): Set<string> {
  const headings = text.replaceAll(/```[\s\S]*?```/g, '').matchAll(/^#+ (.+)$/gm);
  return new Set([...headings].map(([, heading = '']) => anchor(heading)));
}

const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

/** The number of cells in a row of a table. A `|` in backticks or after a backslash does not divide two cells. */
const cellsOf = (row: string): number => row.replaceAll(/\\\||`[^`]*`/g, '').split('|').length - 2;

for (const page of pages) {
  describe(page, async () => {
    const text = await readPage(page);

    it('has no dead link', async () => {
      for (const link of linksOf(text)) {
        const [path = '', fragment] = link.split('#');
        const target = path === '' ? page : normalize(join(dirname(page), path));
        await access(pagePath(target)).catch(() => assert.fail(`${link}: there is no ${target}`));
        if (fragment === undefined) continue;
        assert.ok(anchors(await readPage(target)).has(fragment), `${link}: ${target} has no such heading`);
      }
    });

    it('has no line of a program or a command with more than a hundred columns', () => {
      const blocks = text.matchAll(/^```(?:sh|js|json|yaml)\n([\s\S]*?)^```/gm);
      const lines = [...blocks].flatMap(([, block = '']) => block.split('\n'));
      assert.deepEqual(
        lines.filter(line => line.length > 100),
        [],
      );
    });

    it('has only tables that are shown as tables', () => {
      const parts = text.replaceAll(/```[\s\S]*?```/g, '').split(/\n(?!\|)/);
      for (const part of parts) {
        const rows = part.split('\n').filter(line => line.startsWith('|'));
        if (rows.length === 0) continue;
        const [title = '', rule = ''] = rows;
        assert.match(
          rule,
          /^(?:\| :?-+:? )+\|$/,
          `the second row is not the line under the titles: ${title}`,
        );
        for (const row of rows) assert.equal(cellsOf(row), cellsOf(title), row);
      }
    });

    it('has only commands that the program reads', async () => {
      for (const { args, prose } of musterCalls(text)) {
        const line = `muster ${args.join(' ')}`;
        const place = locate(args, commands);
        if (place.asksFor !== undefined) {
          assert.equal(place.unknown, undefined, line);
          continue;
        }
        const error = await readCommandLine(args, place).then(
          () => '',
          (reason: Error) => reason.message,
        );
        if (!prose || !/ needs /.test(error)) assert.equal(error, '', line);
      }
    });

    it('has only tables that are shown as tables', () => {
      for (const block of text.replaceAll(/```[\s\S]*?```/g, '').split(/\n(?!\|)/)) {
        const [, header, line] = block.split(/\n(?=\|)/);
        if (header !== undefined) assert.match(line ?? '', /^\|( -+ \|)+$/, `the line below ${header}`);
      }
    });

    it('names only scripts that exist', async () => {
      for (const [script] of text.matchAll(
        /(?<=[\s`])(?:\.\/)?scripts\/[a-z][a-z-]*(?:\.ts|\.sh)?(?=[\s`])/g,
      ))
        await access(pagePath(script)).catch(() => assert.fail(`there is no ${script}`));
    });
  });
}

it('runs only tests that exist, in CONTRIBUTING.md', async () => {
  const examples = [
    ...(await readPage('CONTRIBUTING.md')).matchAll(/npm test --(?: (\w[\w/.-]*))?(?: --name "([^"]+)")?/g),
  ];
  assert.ok(examples.some(([, , name]) => name));
  for (const [example, place = '.', name] of examples) {
    if (place === 'unit') continue;
    const folder = pagePath(`test/${place}`);
    await access(folder).catch(() => assert.fail(`${example}: there is no test/${place}`));
    if (!name) continue;
    const files = await Array.fromAsync(glob('**/*.test.ts', { cwd: folder }));
    const texts = await Promise.all(files.map(file => readFile(join(folder, file), 'utf8')));
    assert.ok(
      texts.some(source => new RegExp(`\\b(?:it|test|describe)\\('[^'\\n]*${name}`).test(source)),
      `${example}: there is no such test`,
    );
  }
});

it('names every kind of event in docs/messages.md', async () => {
  const text = await readPage('docs/messages.md');
  for (const kind of [
    ...membershipKinds,
    ...healthKinds,
    ...conditionKinds,
    'conflict',
    'degraded',
    'recovered',
  ])
    assert.match(text, new RegExp(`\`${kind}\``));
});

it('names every condition in docs/operate.md', async () => {
  const text = await readPage('docs/operate.md');
  for (const type of conditionTypes) assert.match(text, new RegExp(`^\\| \`${type}\` \\|`, 'm'));
});

it('shows only configurations of muster that it can load', async t => {
  let count = 0;
  for (const page of pages.filter(name => name !== 'docs/bacalhau.md')) {
    for (const [, text = ''] of (await readPage(page)).matchAll(/```yaml\n([\s\S]*?)```/g)) {
      const { warnings } = await loadSettings({
        configFile: await configFile(t, text),
        environment: surroundings(),
      });
      assert.deepEqual(warnings, [], text);
      count++;
    }
  }
  assert.ok(count > 1);
});
