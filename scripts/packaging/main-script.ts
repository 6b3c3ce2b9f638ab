// Writes the script that the packaged file runs: the chunks that each start needs, and what loads the others.

/** A chunk of the program, in the form of a CommonJS module. */
export interface Chunk {
  /** The name by which other chunks require it, such as `./agent.cjs`. */
  readonly request: string;
  readonly code: string;
}

const parameters = 'exports, require, __filename, __dirname';

/** Returns a chunk as the text of a function, which is how the main script and the code cache compile it. */
export const asFunction = (code: string): string => `(function (${parameters}) {${code}\n})`;

/**
 * Returns the main script.
 * @param entry the code that begins, which requires chunks.
 * @param inside the chunks that it needs at once. They are part of the script, and so of Node's own code cache.
 */
export function mainScript(entry: string, inside: readonly Chunk[]): string {
  const functions = inside.map(({ request, code }) => `${JSON.stringify(request)}: ${asFunction(code)}`);
  return `${loader.replace('INSIDE', () => functions.join(',\n'))}${asFunction(entry)}({}, load, __filename, __dirname);\n`;
}

// A chunk is an asset, and so is its code cache, which no file for another kind of machine has. V8 compares the version,
// the flags and the length of the source. If it refused the cache, the program would run as well, but start slowly.
const loader = `'use strict';
const inside = { INSIDE };
const loaded = new Map();
function load(request) {
  if (!request.startsWith('./')) return require(request);
  const earlier = loaded.get(request);
  if (earlier) return earlier;
  const exports = {};
  loaded.set(request, exports);
  (inside[request] ?? compile(request.slice(2)))(exports, load, __filename, __dirname);
  return exports;
}
function compile(filename) {
  const { getAssetKeys, getRawAsset } = require('node:sea');
  const { Script } = require('node:vm');
  const cache = filename + '.cache';
  const cachedData = getAssetKeys().includes(cache) ? new Uint8Array(getRawAsset(cache)) : undefined;
  const source = Buffer.from(getRawAsset(filename)).latin1Slice();
  const script = new Script(source, { filename, cachedData });
  if (script.cachedDataRejected) process.emitWarning('the code cache of ' + filename + ' is not used');
  return script.runInThisContext();
}
`;
