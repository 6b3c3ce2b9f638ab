// Writes the answers of the API, and reads the parameters of a call.
import type { Context } from 'hono';

/** Returns JSON on one line, or indented when the query contains `pretty`. */
export function answer(call: Context, value: unknown, status = 200): Response {
  const text = JSON.stringify(value, null, parameters(call).has('pretty') ? 2 : undefined);
  return new Response(`${text}\n`, {
    status,
    headers: {
      'Content-Type': 'application/json',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      ...(status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {}),
    },
  });
}

export function parameters(call: Context): URLSearchParams {
  return new URL(call.req.url).searchParams;
}
