// Shows the messages of the page. A screen reader reads each when it comes.
import { closeNotice, keepWhile, notices } from '../shell/announce.ts';

// Who has the pointer or the focus at the messages reads them, or is about to press a button of one.
keepWhile(() => document.querySelector('.notices:is(:hover, :focus-within)') !== null);

export function Notices() {
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.value.map(({ key, text, isFault, more, undo }) => (
        <div key={key} class={isFault ? 'notice fault' : 'notice'}>
          <div>
            <p>{text}</p>
            {more.map(line => (
              <p key={line} class="dim">
                {line}
              </p>
            ))}
          </div>
          {undo && (
            <button
              type="button"
              data-undo
              onClick={() => {
                closeNotice(key);
                undo.act();
              }}
            >
              {undo.title}
            </button>
          )}
          <button type="button" class="plain" aria-label="Close the message" onClick={() => closeNotice(key)}>
            ×
          </button>
        </div>
      ))}
    </div>
  );
}

/** Moves the focus to the undo of the newest message that has one. Only a second key presses it, once its message was read. */
export function focusUndo(): void {
  const undos = document.querySelectorAll<HTMLButtonElement>('.notices [data-undo]');
  undos[undos.length - 1]?.focus();
}
