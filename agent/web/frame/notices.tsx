// Shows the messages of the page. A screen reader reads each when it comes.
import { closeNotice, notices } from '../shell/announce.ts';

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
