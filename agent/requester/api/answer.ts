// Writes the answers of the API, and reads the parameters of a call.
import type { Context } from 'hono';

/** The headers of every answer in JSON. */
export const jsonHeaders = {
  'Content-Type': 'application/json',
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
};

/** Returns JSON on one line, or indented when the query contains `pretty`. */
export function answer(call: Context, value: unknown, status = 200): Response {
  const text = JSON.stringify(value, null, parameters(call).has('pretty') ? 2 : undefined);
  return new Response(`${text}\n`, {
    status,
    headers: { ...jsonHeaders, ...(status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {}) },
  });
}

/** Returns the parameters in the query of a call. The rest of its URL is not read, because the Host header may be any text. */
export function parameters(call: Context): URLSearchParams {
  const [, query = ''] = /^[^?#]*\?([^#]*)/.exec(call.req.url) ?? [];
  return new URLSearchParams(query);
}
