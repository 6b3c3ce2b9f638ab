// The version and the changelog have Debian's form.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { version } from '../../../agent/system/version.ts';
import { debianChangelog, debianVersion } from '../../../scripts/packaging/deb-texts.ts';

const date = new Date('2026-11-24T12:00:00Z');

test('a pre-release has a version that Debian sorts before the release', () => {
  assert.equal(debianVersion('1.2.3'), '1.2.3');
  assert.equal(debianVersion('1.2.3-rc.1'), '1.2.3~rc.1');
  assert.equal(debianVersion('1.2.3-rc-1'), '1.2.3~rc~1');
});

test("the checkout's changelog can be converted to Debian's form", async () => {
  const markdown = await readFile(new URL('../../../CHANGELOG.md', import.meta.url), 'utf8');
  const lines = debianChangelog(markdown, version, date).split('\n');
  assert.equal(lines[0], `muster (${version}) stable; urgency=medium`);
  for (const line of lines) {
    assert.ok(line.startsWith(' -- ') || line.length <= 80, line);
    assert.match(
      line,
      /^(muster \(|$| {2}\* \S| {4}\S| -- .* <\S+@\S+> {2}\w{3}, \d\d \w{3} \d{4} [\d:]{8} \+0000$)/,
    );
  }
});

test('a version has the date in its heading, or else the date of the commit', () => {
  const markdown =
    '# Changelog\n\n## 2.0.0 (unreleased)\n\n- New:\n  all of it.\n- More.\n\n## 1.0.0 (2025-01-02)\n\n- First.\n';
  const signed = ' -- muster maintainers <maintainers@muster.example>  ';
  assert.equal(
    debianChangelog(markdown, '2.0.0', date),
    `muster (2.0.0) stable; urgency=medium\n\n  * New: all of it.\n  * More.\n\n${signed}Tue, 24 Nov 2026 12:00:00 +0000\n\n` +
      `muster (1.0.0) stable; urgency=medium\n\n  * First.\n\n${signed}Thu, 02 Jan 2025 00:00:00 +0000\n`,
  );
});

test('a version without an entry in the changelog is refused', () => {
  assert.throws(() => debianChangelog('# Changelog\n\n## 1.0.0\n\n- First.\n', '1.0.1', date), {
    message: 'CHANGELOG.md does not begin with version 1.0.1',
  });
});
