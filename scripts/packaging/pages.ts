// The pages that an installed user gets: the README, docs/, and how to report a vulnerability. Not those about the code.
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { checkout } from './checkout.ts';

/** Returns the pages and their picture by path from the checkout. Links to what is not among them are plain text. */
export async function shippedPages(): Promise<Record<string, string>> {
  const docs = (await readdir(join(checkout, 'docs'))).sort().map(name => `docs/${name}`);
  const names = ['README.md', 'SECURITY.md', ...docs];
  const reachable = new Set([...names, 'CHANGELOG.md', 'LICENSE']);
  const pages = names.map(async (name): Promise<[string, string]> => {
    const text = await readFile(join(checkout, name), 'utf8');
    return [name, name.endsWith('.md') ? withoutLinksElsewhere(text, dirname(name), reachable) : text];
  });
  return Object.fromEntries(await Promise.all(pages));
}

/** `folder` is that of the page, from the checkout. */
function withoutLinksElsewhere(text: string, folder: string, reachable: ReadonlySet<string>): string {
  return text.replaceAll(/(?<!!)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)/g, (link, label, target) => {
    const isThere = /^[a-z]+:/.test(target) || reachable.has(normalize(join(folder, target)));
    return isThere ? link : label;
  });
}
