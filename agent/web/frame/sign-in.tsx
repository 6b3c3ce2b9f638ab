// Asks for an operator's token. It is shown to the requester with the roll, which says whose it is.
import { useState } from 'preact/hooks';
import { signIn, signOut, token } from '../feed/session.ts';
import { CommandLine } from '../shell/command-line.tsx';

export interface SignInProps {
  /** Why there is no roll without a token, or why that token was not accepted; empty when reads need none. */
  reason: string;
  hint: string;
  /** Is called when a token was given. */
  onGiven?(): void;
}

export function SignIn({ reason, hint, onGiven }: SignInProps) {
  const [text, setText] = useState('');
  const submit = (event: Event) => {
    event.preventDefault();
    if (text.trim() === '') return;
    signIn(text.trim());
    onGiven?.();
  };
  return (
    <form class="sign-in" onSubmit={submit}>
      {reason && (
        <p class="fault-text" role="alert">
          {sentence(reason)}
        </p>
      )}
      {hint && <p class="dim">{sentence(hint)}</p>}
      <label>
        Operator's token
        <input
          type="password"
          value={text}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
          autocomplete="off"
          spellcheck={false}
          data-first
        />
      </label>
      <p class="dim">It is kept for this tab only, and forgotten when the tab is closed.</p>
      <button type="submit" class="main">
        Sign in
      </button>{' '}
      {reason && token.value !== '' && (
        <button type="button" onClick={signOut}>
          Go on without a token
        </button>
      )}
      <p class="dim">On a machine that has a token, this command opens the page signed in:</p>
      <CommandLine command="muster ui" />
    </form>
  );
}

/** Returns a sentence with a capital letter and a full stop. */
const sentence = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
