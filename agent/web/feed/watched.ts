// Says whether somebody may look at the page. A browser gives all tabs of a requester six connections together, and a stream keeps
// one for as long as it is read. So tabs that nobody sees read no stream, and leave their place to others.
import { signal } from '@preact/signals';

/** Time for which a tab that was left goes on, because its reader may be back at once, in milliseconds. */
const graceMs = 3_000;

/** Whether the page is seen, or was a moment ago. */
export const isWatched = signal(!document.hidden);

let timer: ReturnType<typeof setTimeout>;
document.addEventListener('visibilitychange', () => {
  clearTimeout(timer);
  if (!document.hidden) isWatched.value = true;
  else
    timer = setTimeout(() => {
      isWatched.value = false;
    }, graceMs);
});
