// Checks that no text of this project cites a page or a folder that its readers do not have.
import { glob, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { checkout } from './packaging/checkout.ts';

/** The files with texts that people write. Recorded data and the output of tools are not among them. */
const texts = ['*.{md,json}', '.ci/*', '{agent,native,scripts,test,docs}/**/*'];
const notTexts = [
  'native/target/**',
  '**/node_modules/**',
  'test/fixtures/**',
  'package-lock.json',
  '**/*.{node,png,svg,lock}',
];

/** Matches the number of a section in a page of the plans for this project. */
const sections =
  /\b(?:(?:design|wire protocol|toolchain|anchors|trust|house|operators) \d|requester \d+\.\d)[\d.]*/gi;
const folders = /(?<![\w.-])\/(?:work|tmp\/(?:brief|tools|hub|w-\w+))\/[\w./-]*[\w/]/g;
const pages = /[\w-]+\.md\b/gi;

/** Pages of other projects. A rule or a test has to know their names. */
const pagesOfOthers = ['license.md', 'readme.md', 'changelog.md'];

/** Returns the faults of the project in folder `root`, each a text of two lines. */
export async function citationsIn(root: string): Promise<string[]> {
  const entries = await Array.fromAsync(glob(texts, { cwd: root, exclude: notTexts, withFileTypes: true }));
  const files = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name));
  const present = new Set([...pagesOfOthers, ...files.map(file => basename(file).toLowerCase())]);
  const found = files
    .sort()
    .map(async file => faultsIn(file.slice(root.length + 1), await readFile(file, 'utf8'), present));
  return (await Promise.all(found)).flat();
}

function faultsIn(file: string, text: string, present: ReadonlySet<string>): string[] {
  return text.split('\n').flatMap((line, index) => {
    const named = (pattern: RegExp) => line.match(pattern) ?? [];
    const missing = named(pages).filter(page => !present.has(page.toLowerCase()));
    return [
      ...[...named(sections), ...missing].map(
        cited => `${file}:${index + 1} cites "${cited}", which is no page of this project.
  Write the rule itself in a sentence, or name a section of ARCHITECTURE.md.`,
      ),
      ...named(folders).map(
        folder => `${file}:${index + 1} names ${folder}, a folder of the machine on which it was written.
  Leave it out, or describe it in words that hold on every machine.`,
      ),
    ];
  });
}

if (import.meta.main) {
  const faults = await citationsIn(checkout);
  process.stdout.write(faults.map(fault => `${fault}\n`).join(''));
  if (faults.length > 0) process.exitCode = 1;
}
