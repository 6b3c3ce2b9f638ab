// Holds the place that the page shows, which is the fragment of its address.
import { signal } from '@preact/signals';
import { firstView, fragmentOf, readPlace } from './address.ts';

/** The place that is shown. */
export const place = signal(readPlace(location.hash));

addEventListener('hashchange', () => {
  place.value = readPlace(location.hash);
});

/** Goes to another place. The browser's way back leads here. */
export function goTo(view: string, name = '', query: Readonly<Record<string, string>> = {}): void {
  location.hash = fragmentOf(view, name, query);
}

/** Changes some parameters of the place without a step for the browser's way back, as while somebody types. Empty ones go. */
export function changeQuery(changes: Readonly<Record<string, string>>): void {
  const { view, name, query } = place.peek();
  const fragment = fragmentOf(view, name, { ...Object.fromEntries(query), ...changes });
  history.replaceState(null, '', fragment);
  place.value = readPlace(fragment);
}

/** Forgets an address that is no place, without a step for the browser's way back, and shows the first view. */
export function leaveAddress(): void {
  history.replaceState(null, '', fragmentOf(firstView));
  place.value = readPlace(location.hash);
}
