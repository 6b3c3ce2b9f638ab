// The licence and notice files that lie in a package's folder.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkout } from './checkout.ts';

const names = /^(licen[cs]e|copying|copyright|notice|unlicense)([-._].*)?$/i;

/** Their texts, in the order of their names. Line ends are \n, and blanks at the end of the text are left out. */
export async function licenceTexts(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files = entries.filter(entry => entry.isFile() && names.test(entry.name)).map(({ name }) => name);
  const texts = files.sort().map(name => readFile(join(folder, name), 'utf8'));
  return (await Promise.all(texts)).map(text => text.replaceAll('\r\n', '\n').trimEnd());
}

/** The text of muster's own, Apache-2.0. */
export const ownLicence = (): Promise<string[]> => licenceTexts(checkout);
