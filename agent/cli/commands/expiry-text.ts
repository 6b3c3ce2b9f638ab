// Says for people until when a token is valid.

/** Returns the time, or `never`. A token that has expired is marked. */
export function expiryText(expires: string | undefined, now: Date): string {
  if (expires === undefined) return 'never';
  return Date.parse(expires) <= now.getTime() ? `${expires} (expired)` : expires;
}
