// The requests to the API about the page for browsers.
import type { PageCode } from '../protocol/http-page.ts';
import { readPageCode } from './answers.ts';
import type { ApiRequests } from './requests.ts';

export class PageCalls {
  readonly #requests: ApiRequests;

  constructor(requests: ApiRequests) {
    this.#requests = requests;
  }

  /** Makes a code that signs one browser in, at the requester that `url` of the client names afterwards. */
  makeCode(): Promise<PageCode> {
    return this.#requests.ask(readPageCode, 'POST', '/auth/page-codes');
  }
}
