// Bundles agent/web for browsers: scripts and a style whose names contain a hash of what is in them, and the HTML that names
// them. Each file lies there compressed as well.
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { type OutputChunk, rolldown } from 'rolldown';
import { MusterError } from '../../agent/system/errors.ts';
import { checkout } from './checkout.ts';
import { Styles } from './web-styles.ts';

export interface BuiltWeb {
  /** The names of the files in the folder, sorted. */
  readonly names: readonly string[];
  /** What a browser loads of scripts and styles in all, compressed by brotli, in bytes. */
  readonly compressedBytes: number;
  /** The folders of the packages of npm that are in it, relative to the checkout. */
  readonly packages: readonly string[];
}

const source = join(checkout, 'agent/web');

/**
 * Builds the page in `folder`. Files of an earlier build are removed.
 * @throws MusterError when the bundler complains.
 */
export async function buildWeb(folder: string): Promise<BuiltWeb> {
  const { chunks, style, packages } = await bundle();
  const files = new Map<string, string>(chunks.map(({ fileName, code }) => [fileName, code]));
  const icon = await readFile(join(source, 'icon.svg'), 'utf8');
  const names = { style: hashedName('page', '.css', style), icon: hashedName('icon', '.svg', icon) };
  files.set(names.style, style);
  files.set(names.icon, icon);
  const entry = chunks.find(({ isEntry }) => isEntry);
  const html = await readFile(join(source, 'index.html'), 'utf8');
  files.set('index.html', withNames(html, { ...names, script: entry?.fileName ?? '' }));
  await mkdir(folder, { recursive: true });
  const written = new Set<string>();
  let compressedBytes = 0;
  for (const [name, text] of files) {
    const brotli = brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
    if (/\.(?:js|css)$/.test(name)) compressedBytes += brotli.byteLength;
    await replaceFile(folder, name, text, written);
    await replaceFile(folder, `${name}.br`, brotli, written);
    await replaceFile(folder, `${name}.gz`, gzipSync(text, { level: 9 }), written);
  }
  for (const name of await readdir(folder)) if (!written.has(name)) await rm(join(folder, name));
  return { names: [...written].sort(), compressedBytes, packages };
}

async function bundle(): Promise<{ chunks: OutputChunk[]; style: string; packages: string[] }> {
  const styles = new Styles();
  const build = await rolldown({
    cwd: checkout,
    input: { page: join(source, 'page.tsx') },
    platform: 'browser',
    tsconfig: false,
    transform: { jsx: { runtime: 'automatic', importSource: 'preact' }, target: 'es2024' },
    plugins: [styles.plugin()],
    checks: { bundlerTimings: false },
    onLog(_level, log) {
      throw new MusterError('failed', `the bundler complains: ${log.message}`);
    },
  });
  try {
    const { output } = await build.generate({
      format: 'esm',
      minify: true,
      comments: false,
      entryFileNames: '[name]-[hash].js',
      chunkFileNames: '[name]-[hash].js',
    });
    const chunks = output.filter(each => each.type === 'chunk');
    const modules = chunks.flatMap(({ modules }) => Object.keys(modules));
    const folders = modules.flatMap(id => /node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0] ?? []);
    return { chunks, style: styles.text(), packages: [...new Set(folders)].sort() };
  } finally {
    await build.close();
  }
}

function hashedName(name: string, ending: string, text: string): string {
  return `${name}-${createHash('sha256').update(text).digest('hex').slice(0, 8)}${ending}`;
}

/** Returns the HTML with the names of the files in the places that stand between braces. */
function withNames(html: string, names: Readonly<Record<string, string>>): string {
  return html.replaceAll(/\{(\w+)\}/g, (place, name: string) => names[name] ?? place);
}

// A requester or another set-up may read the file at this moment, so it is never there in part.
async function replaceFile(folder: string, name: string, data: string | Uint8Array, written: Set<string>) {
  const path = join(folder, name);
  await writeFile(`${path}.${process.pid}`, data);
  await rename(`${path}.${process.pid}`, path);
  written.add(name);
}
