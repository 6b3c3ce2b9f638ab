// A part of a view: its heading, why there is nothing newer, and what it shows.
import type { ComponentChildren } from 'preact';
import type { AskError } from '../feed/ask.ts';

interface PartProps {
  /** The id of the heading, which names the part for a screen reader. */
  id: string;
  title: string;
  /** Why the last question got no answer. */
  fault?: AskError | undefined;
  children: ComponentChildren;
}

export function Part({ id, title, fault, children }: PartProps) {
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {fault && <p class="fault-text">{[fault.message, fault.hint].filter(Boolean).join('. ')}</p>}
      {children}
    </section>
  );
}
