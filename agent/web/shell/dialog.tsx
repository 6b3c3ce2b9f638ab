// A dialog of the browser's own kind: it holds the focus, Escape closes it, and the focus goes back to where it was.
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';

export interface DialogProps {
  title: string;
  onClose(): void;
  children: ComponentChildren;
}

export function Dialog({ title, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    dialog.current?.querySelector<HTMLElement>('[data-first]')?.focus();
    return () => {
      focusAgain(before);
    };
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={titleId} onClose={onClose}>
      <div class="dialog-head">
        <h2 id={titleId}>{title}</h2>
        <button type="button" class="plain" aria-label="Close" onClick={onClose}>
          ×
        </button>
      </div>
      {children}
    </dialog>
  );
}

/** Of a grid, one row at a time takes the focus, and while the dialog was open another one may have got its turn. */
function focusAgain(before: Element | null): void {
  const row = before?.closest('[role=row]') && document.querySelector('[role=row][tabindex="0"]');
  const next = row || before;
  if (next instanceof HTMLElement && next.isConnected) next.focus();
}
