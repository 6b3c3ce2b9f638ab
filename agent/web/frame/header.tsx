// The header of the page: its views, whom it talks to, and who reads it.
import { useState } from 'preact/hooks';
import { feedState, head } from '../feed/roll.ts';
import { signOut, token } from '../feed/session.ts';
import { fragmentOf } from '../shell/address.ts';
import { Dialog } from '../shell/dialog.tsx';
import { place } from '../shell/place.ts';
import { dayAndTime } from '../shell/time.tsx';
import { SignIn } from './sign-in.tsx';
import { views } from './views.ts';

export function Header({ onHelp }: { onHelp(): void }) {
  const { view } = place.value;
  return (
    <header class="header">
      <a class="brand" href={fragmentOf('nodes')}>
        muster
      </a>
      <nav aria-label="Views">
        {views.map(
          ({ word, title }) =>
            title && (
              <a key={word} href={fragmentOf(word)} aria-current={word === view ? 'page' : undefined}>
                {title}
              </a>
            ),
        )}
      </nav>
      <span class="fill" />
      <Connection />
      <Reader />
      <button type="button" class="plain" aria-label="Keys" title="Keys (?)" onClick={onHelp}>
        ?
      </button>
    </header>
  );
}

const dots = { live: 'good', connecting: 'none', lost: 'bad', crowded: 'bad', refused: 'bad' } as const;
const words = {
  live: 'live',
  connecting: 'connecting',
  lost: 'not connected',
  crowded: 'too many windows',
  refused: 'not signed in',
} as const;

function Connection() {
  const { kind } = feedState.value;
  const requester = head.value?.requester ?? '';
  return (
    <span class="connection" title={requester && `requester ${requester}, version ${head.value?.version}`}>
      <span class={`dot ${dots[kind]}`} />
      {words[kind]}
      {requester && <span class="dim wide"> {requester}</span>}
    </span>
  );
}

function Reader() {
  const [isAsking, setAsking] = useState(false);
  const { operator, mayDecide, expiresAt } = head.value ?? {};
  if (token.value !== '' && operator)
    return (
      <span class="reader">
        <span class="wide" title={expiresAt ? `the token ends at ${dayAndTime(expiresAt)} UTC` : undefined}>
          {operator}
          {mayDecide ? '' : ' (may only read)'}
        </span>
        <button type="button" onClick={signOut}>
          Sign out
        </button>
      </span>
    );
  // Then the page itself asks for a token.
  if (feedState.value.kind === 'refused') return null;
  return (
    <>
      <button type="button" onClick={() => setAsking(true)}>
        Sign in
      </button>
      {isAsking && (
        <Dialog title="Sign in" onClose={() => setAsking(false)}>
          <SignIn reason="" hint="" onGiven={() => setAsking(false)} />
        </Dialog>
      )}
    </>
  );
}
