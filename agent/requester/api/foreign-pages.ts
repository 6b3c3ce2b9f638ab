// Refuses what pages of other origins ask. A browser carries out their requests on the machine of its user, and says so in headers
// that no page can change. Other programs send none of these headers.
import type { MiddlewareHandler } from 'hono';
import type { ApiEnvironment, Call } from './authorize.ts';
import { isRead } from './authorize.ts';
import { RequestFault } from './problem.ts';

/**
 * Returns the handler that refuses them. A link on another page may lead to a route that only reads. Nothing else may come from
 * there: not even reads, nor routes in a frame, because each stream takes a place that an operator's own page needs.
 */
export function refuseForeignPages(): MiddlewareHandler<ApiEnvironment> {
  return async (call, next) => {
    if (isForeign(call)) throw new RequestFault(403, 'a page of another origin asks for this', hint);
    await next();
    call.res.headers.set('Cross-Origin-Resource-Policy', 'same-origin');
  };
}

const hint = "open the requester's own page at its address, such as http://127.0.0.1:1234/";

function isForeign({ req }: Call): boolean {
  const isReading = isRead(req.method, req.path);
  const site = req.header('sec-fetch-site');
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return !(isReading && isLink(req));
  const origin = req.header('origin');
  return !isReading && origin !== undefined && hostIn(origin) !== req.header('host')?.toLowerCase();
}

/** Whether somebody goes to another page, which then replaces the one before. */
const isLink = (req: Call['req']): boolean =>
  req.header('sec-fetch-mode') === 'navigate' && req.header('sec-fetch-dest') === 'document';

/** Returns host and port in an Origin header; undefined for `null`, by which a browser hides an origin. */
const hostIn = (origin: string): string | undefined =>
  /^https?:\/\/([^/?#]+)$/.exec(origin.toLowerCase())?.[1];
