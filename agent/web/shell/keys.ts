// Calls what the keys of the page stand for. While somebody types into a field, or a dialog is open, keys are only keys.
import { useEffect, useRef } from 'preact/hooks';

/** What each key does, by its name as a browser says it: `j`, `/`, `Enter`. */
export type Keys = Readonly<Record<string, (event: KeyboardEvent) => void>>;

/** Makes the keys work while the component that calls this is shown. */
export function useKeys(keys: Keys): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (document.querySelector('dialog[open]') || isTyping(event.target)) return;
      // A button or a link that has the focus is meant by Enter and the space bar.
      if ((event.key === 'Enter' || event.key === ' ') && isPressed(event.target)) return;
      const act = latest.current[event.key];
      if (!act) return;
      event.preventDefault();
      act(event);
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches('input:not([type=checkbox]), textarea, select');

const isPressed = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches('a, button, summary, input');
