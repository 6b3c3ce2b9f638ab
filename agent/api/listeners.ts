// The requests to the API about listeners.
import type { CreatedListener, ListenerView, NewListenerBody } from '../protocol/http-listeners.ts';
import { rememberSecret } from '../system/secrets.ts';
import { readCreatedListener, readDecisionAnswer, readListeners } from './answers.ts';
import { type ApiRequests, withQuery } from './requests.ts';

export class ListenerCalls {
  readonly #requests: ApiRequests;

  constructor(requests: ApiRequests) {
    this.#requests = requests;
  }

  /** Makes a listener. The answer has its token, which is shown only here. */
  async create(listener: NewListenerBody): Promise<CreatedListener> {
    const body = JSON.stringify(listener);
    const created = await this.#requests.ask(
      readCreatedListener,
      'POST',
      listenersPath,
      body,
      listed('a listener'),
    );
    rememberSecret(created.Token);
    return created;
  }

  /** Returns the listeners, sorted by name. */
  list(): Promise<ListenerView[]> {
    return this.#requests.ask(readListeners, 'GET', listenersPath);
  }

  /** Makes the token of a listener void. `actor` is what the caller says of itself. */
  async revoke(name: string, actor: string): Promise<void> {
    const path = withQuery(`${listenersPath}/${name}`, { actor });
    const change = listed(`the end of listener ${name}`);
    await this.#requests.ask(readDecisionAnswer, 'DELETE', path, undefined, change);
  }
}

const listenersPath = '/orchestrator/listeners';

const listed = (what: string) => ({ what, findOut: (id: string) => `muster explain ${id}` });
