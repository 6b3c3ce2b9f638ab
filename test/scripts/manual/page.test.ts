// The manual page names everything that the program has, is the same each time, and gives no warning in groff and man.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { commands } from '../../../agent/cli/commands.ts';
import { globalFlags } from '../../../agent/cli/line/command.ts';
import { settingsTable } from '../../../agent/config/show.ts';
import { exitCodes } from '../../../agent/system/errors.ts';
import { manPage } from '../../../scripts/manual/page.ts';
import { bold, entry, example, paragraph, plain, section, title } from '../../../scripts/manual/roff.ts';
import { findProgram } from '../../support/find-program.ts';
import { newFolder } from '../../support/temporary.ts';

/** Formats `page` for a terminal with 500 columns, without bold and italics, and collects the warnings. */
async function shown(page: string): Promise<{ text: string; warnings: string }> {
  const file = join(await newFolder(), 'page.1');
  await writeFile(file, page);
  const args = ['-man', '-Tutf8', '-ww', '-rLL=500n', '-P-c', file];
  const { stdout, stderr } = await promisify(execFile)('groff', args);
  // Some versions of groff show the minus of a flag as a character that is not ASCII.
  return { text: stdout.replace(/.\u0008/gu, '').replaceAll('\u2212', '-'), warnings: stderr };
}

const noGroff = await findProgram('groff').then(
  () => false as const,
  () => 'there is no groff on PATH to format the page with',
);

test('the page is the same each time, and has no date', async () => {
  const page = await manPage();
  assert.equal(await manPage(), page);
  assert.match(page, /^\.TH "MUSTER" 1 "" "muster [^"]*" "User Commands"\n/);
});

test('the page names every command, flag, setting and exit code', { skip: noGroff }, async () => {
  const { text, warnings } = await shown(await manPage());
  assert.equal(warnings, '');
  for (const row of commands) {
    const { flags } = await row.load();
    assert.equal(
      new RegExp(`^ {3}muster ${row.path}( \\[?[A-Z-]+(\\.\\.\\.)?\\]?)*$`, 'm').test(text),
      !row.hidden,
      row.path,
    );
    if (row.hidden) continue;
    for (const name of Object.keys({ ...flags, ...globalFlags })) assert.ok(text.includes(`--${name}`), name);
  }
  for (const { key, environment, flag, help, default: preset } of settingsTable()) {
    const expected = [
      `       ${key}\n`,
      `              ${environment}\n`,
      flag ? `              ${flag}\n` : '',
      help,
    ];
    for (const part of expected) assert.ok(text.includes(part), part);
    if (preset) assert.match(text, new RegExp(`default ${preset.replaceAll(/[{}.]/g, '\\$&')}(;|$)`, 'm'));
  }
  for (const code of new Set([0, ...Object.values(exitCodes)]))
    assert.match(text, new RegExp(`^ {7}${code} +[A-Z]`, 'm'));
});

test('man shows the page without a warning', async t => {
  const file = join(await newFolder(), 'muster.1');
  await writeFile(file, await manPage());
  const version = await promisify(execFile)('man', ['--version']).catch(() => undefined);
  if (!version?.stdout.startsWith('man 2'))
    return t.skip('there is no man of man-db on PATH, which can warn');
  const { stdout, stderr } = await promisify(execFile)('man', ['--warnings', '-l', file], {
    env: { ...process.env, MANPAGER: 'cat', LC_ALL: 'C.UTF-8' },
  });
  assert.equal(stderr, '');
  assert.match(stdout, /MUSTER\(1\)/);
});

test('any text is shown unchanged', { skip: noGroff }, async () => {
  const awkward = fc.oneof(
    fc.constantFrom(
      '.',
      "'",
      '\\',
      '-',
      '"',
      '\\fB',
      '\\n(.s',
      '.SH X',
      "'br",
      '\\"',
      '~',
      '^',
      '`',
      '…',
      '→',
      ' .x',
    ),
    fc.string({ unit: 'grapheme-ascii' }),
  );
  const texts = fc.sample(
    fc
      .array(awkward, { minLength: 1, maxLength: 5 })
      .map(parts => parts.join('').replaceAll(/\s+/g, ' ').trim()),
    { numRuns: 200, seed: 4711 },
  );
  const kept = texts.filter(text => text !== '');
  const page = [
    title('page', 1, 'p', 'm'),
    section('ALL'),
    ...kept.map(text => paragraph(plain(`${text}`))),
    ...kept.map(text => entry(bold(text), plain(text))),
    ...kept.map(text => example(text)),
  ].join('');
  const { text, warnings } = await shown(page);
  assert.equal(warnings, '');
  const lines = text.split('\n').map(line => line.trim().replaceAll(/ +/g, ' '));
  const squeezed = lines.join(' ');
  for (const one of kept) assert.ok(squeezed.includes(one), JSON.stringify(one));
});
