// Collects the notices of the npm packages that are in the bundle.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MusterError } from '../../agent/system/errors.ts';
import { checkout } from './checkout.ts';
import { licenceTexts } from './licence-texts.ts';
import type { Notice } from './notices.ts';

/**
 * Returns the notices, sorted by name.
 * @param folders the folders of the packages, relative to the checkout.
 * @throws MusterError when a package does not name its licence.
 */
export async function npmNotices(folders: readonly string[]): Promise<Notice[]> {
  const all = await Promise.all(folders.map(noticeOf));
  // The same version may be installed in several folders.
  const different = new Map(all.map(notice => [`${notice.name} ${notice.version}`, notice]));
  return [...different].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, notice]) => notice);
}

async function noticeOf(folder: string): Promise<Notice> {
  const path = join(checkout, folder);
  const { name, version, license } = JSON.parse(await readFile(join(path, 'package.json'), 'utf8')) as Record<
    string,
    unknown
  >;
  if (typeof license !== 'string' || typeof version !== 'string')
    throw new MusterError('failed', `${folder} does not name its licence`);
  return { name: String(name), version, licence: license, texts: await licenceTexts(path) };
}
