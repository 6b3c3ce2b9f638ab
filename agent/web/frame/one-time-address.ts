// Signs in by the address that `muster ui` prints: its code is exchanged for a token, once, and vanishes from the address.
import { ask } from '../feed/ask.ts';
import { signIn } from '../feed/session.ts';
import { signInFault } from './sign-in-fault.ts';

/** Does nothing when the address has no code. Why a code was not accepted is shown by the sign-in. */
export async function signInByAddress(): Promise<void> {
  const [, code] = /^#signin=([\w-]{1,256})$/.exec(location.hash) ?? [];
  if (code === undefined) return;
  history.replaceState(null, '', '#/');
  try {
    const { Token } = (await ask('/api/v1/auth/page', { method: 'POST', body: { Code: code } })) as {
      Token?: unknown;
    };
    if (typeof Token === 'string') signIn(Token);
  } catch (error) {
    signInFault.value = error instanceof Error ? error.message : String(error);
  }
}
