// The frame around every view: the header, what the connection does, and the view that the address names.
import { useState } from 'preact/hooks';
import { mostWindows } from '../feed/place-of-window.ts';
import { feedState, head } from '../feed/roll.ts';
import { useKeys } from '../shell/keys.ts';
import { place } from '../shell/place.ts';
import { Header } from './header.tsx';
import { Help } from './help.tsx';
import { focusUndo, Notices } from './notices.tsx';
import { SignIn } from './sign-in.tsx';
import { viewAt } from './views.ts';
import './frame.css';

export function Shell() {
  const [isHelping, setHelping] = useState(false);
  useKeys({ '?': () => setHelping(true), u: focusUndo });
  const { name } = place.value;
  const Shown = viewAt(place.value)?.Show;
  const state = feedState.value;
  return (
    <>
      <Header onHelp={() => setHelping(true)} />
      <ConnectionLine />
      {state.kind === 'refused' ? (
        <main class="narrow">
          <h1>Sign in</h1>
          <SignIn reason={state.reason} hint={state.hint} />
        </main>
      ) : (
        Shown && (
          <main>
            <Shown name={name} />
          </main>
        )
      )}
      <Notices />
      {isHelping && <Help onClose={() => setHelping(false)} />}
    </>
  );
}

/** Says that what is shown may be old, or that the requester itself says that something is wrong. */
function ConnectionLine() {
  const state = feedState.value;
  const { state: requesterState = 'ready', reason = '' } = head.value ?? {};
  if (state.kind === 'lost')
    return (
      <p class="line fault" role="alert">
        The requester does not answer, trying again. {head.value && 'What you see is how it was before.'}{' '}
        <span class="dim">({state.reason})</span>
      </p>
    );
  if (state.kind === 'crowded')
    return (
      <p class="line warning" role="alert">
        This browser shows the page in {mostWindows} other windows, and has no more connections to the
        requester. Close or hide one of them. {head.value && 'What you see is how it was before.'}
      </p>
    );
  if (state.kind === 'live' && requesterState !== 'ready')
    return (
      <p class="line warning" role="status">
        The requester is {requesterState}
        {reason && `: ${reason}`}.
      </p>
    );
  return null;
}
