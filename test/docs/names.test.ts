// The pages about the code name only things that exist: every file, folder and function in backticks.
import assert from 'node:assert/strict';
import { glob, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe, it } from 'node:test';
import { floors } from '../../scripts/arrows/rules.ts';
import { pagePath } from '../../scripts/docs.ts';
import { readPage } from '../support/pages.ts';

const folders = '{agent,native/src,scripts,test}';
const sources = await Array.fromAsync(glob(`${folders}/**/*.{ts,tsx,rs}`, { cwd: pagePath('.') }));

/** Returns the path of a file or folder that a page names: from the checkout, or from agent/. */
async function find(name: string): Promise<string | undefined> {
  for (const path of [name, `agent/${name}`]) {
    const found = await stat(pagePath(path)).catch(() => undefined);
    if (found) return path;
  }
  return undefined;
}

const rooms = floors.flat().join('|');
/** Returns whether the text names a file or folder of the project. `NAME` stands for a name that a reader chooses. */
const isPath = (span: string): boolean =>
  !span.includes('NAME') &&
  (new RegExp(`^(?:agent|native|scripts|test|docs|${rooms})/[\\w./-]*$`).test(span) ||
    /^[\w/.-]+\.(tsx?|rs|sh)$/.test(span));

/** Returns the names in `name()`, `Class.name()` or `#name()`, without the #; none for other text. */
function namesOf(span: string): string[] {
  const match = /^(?:(\w+)\.)?#?(\w+)\(\)$/.exec(span);
  return match ? match.slice(1).filter(name => name !== undefined) : [];
}

/**
 * Returns whether the text of a file defines `name`: a function, a class, a constant, a method, or a member of an
 * interface.
 */
const defines = (text: string, name: string): boolean =>
  new RegExp(
    `\\b(?:function\\*?|class|const|interface|type|fn|struct) ${name}\\b|^ {2,6}(?:(?:async|static|get|override|readonly) )*[*#]*${name}(?:\\b[?]?:|[?]?[(<])`,
    'm',
  ).test(text);

for (const page of ['ARCHITECTURE.md', 'CONTRIBUTING.md']) {
  describe(page, async () => {
    const text = (await readPage(page)).replaceAll(/```[\s\S]*?```/g, '');
    const paragraphs = text.split(/\n(?=\n|\s*[-*] |\s*\d+\. |\|)/);
    const spans = (part: string) => [...part.matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span);

    it('names only files and folders that exist', async () => {
      for (const span of spans(text).filter(isPath)) assert.ok(await find(span), `there is no ${span}`);
    });

    it('names only functions that exist, each in the file that is named before it', async () => {
      for (const paragraph of paragraphs) {
        let file: string | undefined;
        for (const span of spans(paragraph)) {
          if (isPath(span)) file = /\.(tsx?|rs)$/.test(span) ? await find(span) : undefined;
          for (const name of namesOf(span)) {
            const places = file ? [file] : sources;
            const texts = await Promise.all(places.map(path => readFile(pagePath(path), 'utf8')));
            assert.ok(
              texts.some(source => defines(source, name)),
              `${span} is not in ${file ?? 'any source'}`,
            );
          }
        }
      }
    });
  });
}

it('ARCHITECTURE.md has a row for every folder of agent/, and for no other', async () => {
  const text = await readPage('ARCHITECTURE.md');
  const rows = [...text.matchAll(/^\| `(agent\/[\w/-]*)\/?` \|/gm)].map(([, folder = '']) =>
    folder.replace(/\/$/, ''),
  );
  const withFiles = sources.filter(path => path.startsWith('agent/')).map(path => dirname(path));
  assert.deepEqual([...new Set(rows)].sort(), [...new Set(withFiles)].sort());
});

it('the glossary of ARCHITECTURE.md names only what the code has', async () => {
  const [, glossary = ''] = (await readPage('ARCHITECTURE.md')).split('## Glossary');
  const names = [...glossary.matchAll(/^\|.*\| ([^|]+) \|$/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name),
  );
  assert.ok(names.length > 30);
  const code = (
    await Promise.all(
      sources.filter(path => path.startsWith('agent/')).map(path => readFile(pagePath(path), 'utf8')),
    )
  ).join('\n');
  for (const name of names) assert.ok(defines(code, name), `there is no ${name}`);
});
