// Builds the page that every requester serves, from agent/web into build/web. scripts/setup.sh runs this when a source changed.
import { join, relative } from 'node:path';
import { checkout } from './packaging/checkout.ts';
import { buildWeb } from './packaging/web.ts';

const folder = join(checkout, 'build/web');
const { compressedBytes } = await buildWeb(folder);
const kB = (compressedBytes / 1000).toFixed(1);
process.stdout.write(`${relative(process.cwd(), folder)}: script and style are ${kB} kB compressed\n`);
