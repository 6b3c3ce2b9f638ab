// Serves the page to browsers: `/` for those that ask for HTML, and its files below `/ui/`. Everybody may read them, as they
// say nothing of the cluster.
import { createHash } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import { serverHeader } from '../../protocol/http.ts';
import type { ReadPageFile } from '../page/page-files.ts';
import type { ApiEnvironment, Call } from './authorize.ts';

/** What the page may do: load its own files, and ask its own requester. Nobody may show it in a frame. */
export const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "font-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

/** A file whose name contains a hash of its content, so that a browser may keep it for ever. */
const hashedName = /^[A-Za-z][A-Za-z0-9-]{0,63}-[A-Za-z0-9_-]{8,64}\.(js|css|svg)$/;

/** Returns the handler that serves the page. It runs before the caller is known, and leaves everything else to other routes. */
export function page(read: ReadPageFile): MiddlewareHandler<ApiEnvironment> {
  return async (call, next) => {
    const { method, path } = call.req;
    if (method !== 'GET' && method !== 'HEAD') return next();
    if (path === '/') return wantsHtml(call) ? indexPage(call, read) : next();
    const name = path.startsWith('/ui/') ? path.slice(4) : '';
    const file = hashedName.test(name) ? await chosenForm(call, name, read) : undefined;
    if (!file) return next();
    return send(call, file, { ...headersOf(name), 'Cache-Control': 'public, max-age=31536000, immutable' });
  };
}

/** A client of Bacalhau asks for anything, and gets the version of the requester there. */
const wantsHtml = (call: Call): boolean => acceptedItems(call.req.header('accept')).has('text/html');

async function indexPage(call: Call, read: ReadPageFile): Promise<Response> {
  const index = await chosenForm(call, 'index.html', read);
  const headers = {
    ...headersOf('index.html'),
    'Cache-Control': 'no-cache',
    'X-Frame-Options': 'DENY',
    'Cross-Origin-Opener-Policy': 'same-origin',
    Vary: 'Accept, Accept-Encoding',
  };
  if (!index) return new Response(notBuilt, { status: 503, headers });
  return send(call, index, headers);
}

interface PageFile {
  bytes: Uint8Array;
  encoding: 'br' | 'gzip' | undefined;
}

/** Returns the file in the smallest form that the browser takes. */
async function chosenForm(call: Call, name: string, read: ReadPageFile): Promise<PageFile | undefined> {
  const accepted = acceptedItems(call.req.header('accept-encoding'));
  for (const [encoding, ending] of [
    ['br', '.br'],
    ['gzip', '.gz'],
  ] as const) {
    const bytes = accepted.has(encoding) ? await read(`${name}${ending}`) : undefined;
    if (bytes) return { bytes, encoding };
  }
  const bytes = await read(name);
  return bytes && { bytes, encoding: undefined };
}

/** Returns the items of a header that says what a browser takes, in small letters, without those that it refuses by `q=0`. */
function acceptedItems(header = ''): Set<string> {
  const items = header.slice(0, 1024).toLowerCase().split(',');
  return new Set(
    items.flatMap(item => (/;\s*q=0(\.0*)?\s*$/.test(item) ? [] : [item.split(';')[0]?.trim() ?? ''])),
  );
}

function send(call: Call, { bytes, encoding }: PageFile, headers: Record<string, string>): Response {
  const tag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
  const all = { ...headers, ETag: tag, ...(encoding ? { 'Content-Encoding': encoding } : {}) };
  const known = call.req
    .header('if-none-match')
    ?.split(',')
    .map(each => each.trim().replace(/^W\//, ''));
  if (known?.includes(tag)) return new Response(null, { status: 304, headers: all });
  return new Response(new Uint8Array(bytes), { headers: { ...all, 'Content-Length': String(bytes.length) } });
}

const headersOf = (name: string): Record<string, string> => ({
  'Content-Type': types[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream',
  'Content-Security-Policy': pagePolicy,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  Vary: 'Accept-Encoding',
  [serverHeader.name]: serverHeader.value,
});

const notBuilt = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>muster</title>
<p>This requester runs from source, and its page was not built. Run <code>scripts/setup.sh</code>, and load this page again.</p>
<p>Without it, <code>muster node list</code> shows the roll.</p>
</html>
`;
