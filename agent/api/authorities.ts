// The requests to the API about the CAs of a cluster.
import { type AuthoritiesView, pinPattern } from '../protocol/http-authorities.ts';
import { MusterError } from '../system/errors.ts';
import { printable } from '../system/printable.ts';
import { readAuthorities } from './answers.ts';
import type { ApiRequests } from './requests.ts';

const path = '/orchestrator/authorities';

export class AuthorityCalls {
  readonly #requests: ApiRequests;

  constructor(requests: ApiRequests) {
    this.#requests = requests;
  }

  /** Returns the CAs, and how far the replacement of the present one is. */
  view(): Promise<AuthoritiesView> {
    return this.#requests.ask(readAuthorities, 'GET', path);
  }

  /** Makes the next CA. `actor` is what the caller says of itself. */
  rotate(isForced: boolean, actor: string): Promise<AuthoritiesView> {
    return this.#requests.ask(
      readAuthorities,
      'POST',
      path,
      JSON.stringify({ Force: isForced, Actor: actor }),
      shown('the next CA'),
    );
  }

  /** Takes a CA out of the set. */
  forget(pin: string, actor: string): Promise<AuthoritiesView> {
    requirePin(pin);
    const body = JSON.stringify({ Action: 'forget', Actor: actor });
    return this.#requests.ask(readAuthorities, 'PUT', `${path}/${pin}`, body, shown('the end of the CA'));
  }
}

/** @throws MusterError `usage` when `text` is no pin of a CA. */
export function requirePin(text: string): void {
  if (pinPattern.test(text)) return;
  throw new MusterError('usage', `"${printable(text, 64)}" is no pin of a CA`, {
    hint: 'a pin has 43 letters, digits, - and _; muster broker ca shows those of the cluster',
  });
}

const shown = (what: string) => ({ what, findOut: () => 'muster broker ca' });
