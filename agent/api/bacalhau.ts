// The request to the API about the nodes of Bacalhau.
import { type BacalhauAccess, bacalhauAccessSchema } from '../protocol/http-bacalhau.ts';
import { validate } from '../protocol/schema.ts';
import { rememberSecret } from '../system/secrets.ts';
import type { ApiRequests } from './requests.ts';

export class BacalhauCalls {
  readonly #requests: ApiRequests;

  constructor(requests: ApiRequests) {
    this.#requests = requests;
  }

  /** Returns what a node of Bacalhau needs to come in. `actor` is what the caller says of itself. */
  async access(actor: string): Promise<BacalhauAccess> {
    const read = (value: unknown) => validate(bacalhauAccessSchema, value);
    const body = JSON.stringify({ Actor: actor });
    const access = await this.#requests.ask(read, 'POST', '/orchestrator/bacalhau', body);
    rememberSecret(access.Token);
    return access;
  }
}
