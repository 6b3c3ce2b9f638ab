// Signs in by the address that `muster ui` prints: its code is exchanged for a token, once, and vanishes from the address.
import { AskError, ask } from '../feed/ask.ts';
import { signIn } from '../feed/session.ts';
import { announce } from '../shell/announce.ts';
import { leaveAddress } from '../shell/place.ts';

/** Signs in by the address of the page, and by each that is opened in its tab later. */
export async function signInByAddress(): Promise<void> {
  addEventListener('hashchange', () => void signInOnce());
  await signInOnce();
}

/** Does nothing when the address has no code. */
async function signInOnce(): Promise<void> {
  const [, code] = /^#signin=([\w-]{1,256})$/.exec(location.hash) ?? [];
  if (code === undefined) return;
  leaveAddress();
  try {
    const { Token } = (await ask('/api/v1/auth/page', { method: 'POST', body: { Code: code } })) as {
      Token?: unknown;
    };
    if (typeof Token === 'string') signIn(Token);
  } catch (error) {
    const more = error instanceof AskError ? [error.message, error.hint].filter(Boolean) : [String(error)];
    announce({ text: 'Nobody was signed in', isFault: true, more });
  }
}
