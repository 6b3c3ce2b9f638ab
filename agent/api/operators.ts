// The requests to the API about operators and their tokens.
import type { NewOperatorBody, OperatorView } from '../protocol/http-operators.ts';
import { readDecisionAnswer, readNewToken, readOperators } from './answers.ts';
import { type ApiRequests, withQuery } from './requests.ts';

export class OperatorCalls {
  readonly #requests: ApiRequests;

  constructor(requests: ApiRequests) {
    this.#requests = requests;
  }

  /** Returns the operators who have a token. */
  list(): Promise<OperatorView[]> {
    return this.#requests.ask(readOperators, 'GET', '/orchestrator/operators');
  }

  /** Makes an operator's token and returns it. */
  create(operator: NewOperatorBody): Promise<string> {
    return this.#requests.ask(readNewToken, 'POST', '/orchestrator/operators', JSON.stringify(operator), {
      what: `the token of operator ${operator.Name}`,
      findOut: id => `muster explain ${id}`,
    });
  }

  /** Makes the token of an operator void. `actor` is what the caller says of itself. */
  async revoke(name: string, actor: string): Promise<void> {
    const path = withQuery(`/orchestrator/operators/${name}`, { actor });
    await this.#requests.ask(readDecisionAnswer, 'DELETE', path, undefined, {
      what: `the end of the token of operator ${name}`,
      findOut: id => `muster explain ${id}`,
    });
  }
}
