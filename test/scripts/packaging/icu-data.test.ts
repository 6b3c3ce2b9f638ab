// A Node without the data of other languages knows English, the time zones and all characters, and its size is the same.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { promisify } from 'node:util';
import { leaveOutIcuData } from '../../../scripts/packaging/icu-data.ts';
import { newFolder } from '../../support/temporary.ts';

let lean: string;

before(async () => {
  lean = join(await newFolder(), 'node');
  const node = await readFile(process.execPath);
  const left = leaveOutIcuData(node);
  assert.ok(left > 25e6 && left < 32e6, String(left));
  await writeFile(lean, node, { mode: 0o755 });
  assert.throws(() => leaveOutIcuData(Buffer.from('CmnD is here, but no data')), /no data of ICU/);
});

const script = `
const facts = [
  ['a10', 'a9', 'B'].toSorted(new Intl.Collator('en', { numeric: true }).compare),
  new Date(0).toLocaleString('en-US', { timeZone: 'Asia/Kathmandu' }),
  new Date(0).toString(),
  (1234.5).toLocaleString('en'),
  Intl.supportedValuesOf('timeZone').length,
  'straße'.toUpperCase(),
  'Å'.normalize('NFKD').length,
  /^\\\\p{L}\\\\p{Lo}$/u.test('é中'),
  new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from('é中')),
  new TextDecoder('utf-16le').decode(Buffer.from('é中', 'utf16le')),
  new URL('http://bücher.example').host,
];
process.stdout.write(JSON.stringify(facts));
`.replaceAll('\\\\p', '\\p');

async function facts(node: string, language: string): Promise<unknown[]> {
  const env = { LC_ALL: language, TZ: 'Europe/Paris' };
  const { stdout, stderr } = await promisify(execFile)(node, ['-e', script], { env });
  assert.equal(stderr, '');
  return JSON.parse(stdout) as unknown[];
}

/** macOS runs no program whose signature does not fit. */
const skip = process.platform === 'darwin';

test('what English needs is as before', { skip }, async () => {
  assert.deepEqual(await facts(lean, 'en_US.UTF-8'), await facts(process.execPath, 'en_US.UTF-8'));
});

test('on a machine of another language, it speaks English', { skip }, async () => {
  const [order, date, , number] = await facts(lean, 'zh_CN.UTF-8');
  assert.deepEqual([order, date, number], [['a9', 'a10', 'B'], '1/1/1970, 5:30:00 AM', '1,234.5']);
});
