// Collects the style sheets that the scripts of the page import, and makes one small sheet of them.
import { readFile } from 'node:fs/promises';
import type { Plugin } from 'rolldown';

export class Styles {
  readonly #sheets = new Map<string, string>();

  /** Returns the plugin that takes each imported sheet out of the scripts. */
  plugin(): Plugin {
    return {
      name: 'styles',
      load: async id => {
        if (!id.endsWith('.css')) return null;
        this.#sheets.set(id, await readFile(id, 'utf8'));
        return { code: '', moduleType: 'js', moduleSideEffects: true };
      },
    };
  }

  /** Returns all sheets as one text. The order is that of their paths, except that those of packages come first. */
  text(): string {
    const paths = [...this.#sheets.keys()].sort();
    const isOther = (path: string) => path.includes('/node_modules/');
    const ordered = [...paths.filter(isOther), ...paths.filter(path => !isOther(path))];
    return ordered.map(path => minified(this.#sheets.get(path) ?? '')).join('');
  }
}

/** Returns a sheet without comments and without the white space that means nothing. No sheet has either in a string. */
function minified(sheet: string): string {
  return sheet
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/ ?([{};,]) ?/g, '$1')
    .replaceAll(/: /g, ':')
    .replaceAll(/;\}/g, '}')
    .trim();
}
