// The codes of `muster ui`: each is exchanged once, within a minute, for the token of the operator who made it. So a browser is
// signed in without a token on a screen, in an address that is kept, or in the arguments of a program.
import { randomBytes } from 'node:crypto';
import { hashToken } from '../../protocol/secret-hash.ts';
import type { Clock } from '../../system/clock.ts';
import { rememberSecret } from '../../system/secrets.ts';

/** Time for which a code is valid. */
export const pageCodeSeconds = 60;
/** Number of codes that are kept. More push out the oldest, so that nobody with a token can fill the memory. */
const maxCodes = 64;

export class PageCodes {
  readonly #clock: Pick<Clock, 'monotonic'>;
  /** The tokens by the hashes of the codes, so that the time of a look-up says nothing of a code. */
  readonly #tokens = new Map<string, { token: string; endsAt: number }>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** Returns a new code for this token, which the caller has checked. */
  make(token: string): string {
    const code = randomBytes(16).toString('base64url');
    rememberSecret(code);
    this.#removeOld();
    this.#tokens.set(keyOf(code), { token, endsAt: this.#clock.monotonic() + pageCodeSeconds * 1000 });
    const [oldest] = this.#tokens.keys();
    if (this.#tokens.size > maxCodes && oldest !== undefined) this.#tokens.delete(oldest);
    return code;
  }

  /** Returns the token of a code, which is void then; undefined for one that is too old, was used, or never was. */
  take(code: string): string | undefined {
    this.#removeOld();
    const key = keyOf(code);
    const found = this.#tokens.get(key);
    this.#tokens.delete(key);
    return found?.token;
  }

  #removeOld(): void {
    const now = this.#clock.monotonic();
    for (const [key, { endsAt }] of this.#tokens) if (now >= endsAt) this.#tokens.delete(key);
  }
}

const keyOf = (code: string): string => hashToken(code).toString('base64url');
