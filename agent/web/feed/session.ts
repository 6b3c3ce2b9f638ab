// Keeps the operator's token for this tab. No cookie has it, so no other site can have the browser send it.
import { signal } from '@preact/signals';

const key = 'muster-token';

/** The token; empty when nobody signed in. */
export const token = signal(sessionStorage.getItem(key) ?? '');

export function signIn(text: string): void {
  sessionStorage.setItem(key, text);
  token.value = text;
}

export function signOut(): void {
  sessionStorage.removeItem(key);
  token.value = '';
}

/** Returns the headers that show the token. */
export const tokenHeaders = (): Record<string, string> =>
  token.peek() === '' ? {} : { Authorization: `Bearer ${token.peek()}` };
