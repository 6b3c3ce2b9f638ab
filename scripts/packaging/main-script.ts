// Writes the script that the packaged file runs: what loads the chunks of the program, and the code that begins. It is short, because
// Node's own code cache has only functions that were called when it was made.

const parameters = 'exports, require, __filename, __dirname';

/** Returns a chunk as the text of a function, which is how the main script and the code cache compile it. */
export const asFunction = (code: string): string => `(function (${parameters}) {${code}\n})`;

/** Returns the main script. `entry` is the code that begins. It requires the first chunk. */
export const mainScript = (entry: string): string =>
  `${loader}${asFunction(entry)}({}, load, __filename, __dirname);\n`;

// A chunk is an asset, and so is its code cache, which no file for another kind of machine has. V8 compares the version,
// the flags and the length of the source. If it refused the cache, the program would run as well, but start slowly. All caches
// are made alike, so the first one tells for all; later, the program may have changed a flag of V8 itself.
const loader = `'use strict';
const loaded = new Map();
function load(request) {
  if (!request.startsWith('./')) return require(request);
  const earlier = loaded.get(request);
  if (earlier) return earlier;
  const exports = {};
  loaded.set(request, exports);
  compile(request.slice(2))(exports, load, __filename, __dirname);
  return exports;
}
function compile(filename) {
  const { getAssetKeys, getRawAsset } = require('node:sea');
  const { Script } = require('node:vm');
  const cache = filename + '.cache';
  const cachedData = getAssetKeys().includes(cache) ? new Uint8Array(getRawAsset(cache)) : undefined;
  const source = Buffer.from(getRawAsset(filename)).latin1Slice();
  const script = new Script(source, { filename, cachedData });
  if (script.cachedDataRejected && loaded.size === 1)
    process.emitWarning('the code cache of ' + filename + ' is not used');
  return script.runInThisContext();
}
`;
