// Collects the pages for a user of the installed program: the README, SECURITY.md and docs/, but no page about the code. The
// files for Prometheus and Grafana, which a page is about, go with them.
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { checkout } from './checkout.ts';

const monitoring = ['alerts.yml', 'dashboard.json', 'prometheus.yml'].map(
  name => `scripts/monitoring/${name}`,
);

/**
 * Returns the pages, their drawing and those files by path from the checkout. A link to any other file becomes plain text, and
 * any other picture is left out.
 */
export async function shippedPages(): Promise<Record<string, string>> {
  // The pictures of the page would be larger than all texts, and whoever installed the program can open the page itself.
  const files = (await readdir(join(checkout, 'docs'))).filter(name => !name.endsWith('.png'));
  const docs = files.sort().map(name => `docs/${name}`);
  const names = ['README.md', 'SECURITY.md', ...docs, ...monitoring];
  const reachable = new Set([...names, 'CHANGELOG.md', 'LICENSE']);
  const pages = names.map(async (name): Promise<[string, string]> => {
    const text = await readFile(join(checkout, name), 'utf8');
    return [name, name.endsWith('.md') ? withoutLinksElsewhere(text, dirname(name), reachable) : text];
  });
  return Object.fromEntries(await Promise.all(pages));
}

/** Returns the text of a page, in which links to files that are not shipped are plain text. `folder` has the page. */
function withoutLinksElsewhere(text: string, folder: string, reachable: ReadonlySet<string>): string {
  const isShipped = (target: string) => reachable.has(normalize(join(folder, target)));
  const shown = text.replaceAll(/!\[[^\]]*\]\(([^)\s]+)\)\n*/g, (picture, target) =>
    isShipped(target) ? picture : '',
  );
  return shown.replaceAll(/(?<!!)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)/g, (link, label, target) => {
    const isThere = /^[a-z]+:/.test(target) || isShipped(target);
    return isThere ? link : label;
  });
}
