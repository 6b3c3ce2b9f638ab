// Reads the licence and notice files in the folder of a package.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkout } from './checkout.ts';

const names = /^(licen[cs]e|copying|copyright|notice|unlicense)([-._].*)?$/i;

/** Returns the texts, sorted by file name. Line ends become \n, and white space at the end of a text is removed. */
export async function licenceTexts(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files = entries.filter(entry => entry.isFile() && names.test(entry.name)).map(({ name }) => name);
  const texts = files.sort().map(name => readFile(join(folder, name), 'utf8'));
  return (await Promise.all(texts)).map(text => text.replaceAll('\r\n', '\n').trimEnd());
}

/** Returns the text of muster's own licence, Apache-2.0. */
export const ownLicence = (): Promise<string[]> => licenceTexts(checkout);
