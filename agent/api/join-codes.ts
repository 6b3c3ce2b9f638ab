// The requests to the API about join codes.
import type { CreatedJoinCode, JoinCodeOrder, JoinCodeView } from '../protocol/http-join-codes.ts';
import { MusterError } from '../system/errors.ts';
import { rememberSecret } from '../system/secrets.ts';
import { readCreatedJoinCode, readJoinCode, readJoinCodes } from './answers.ts';
import type { ApiRequests } from './requests.ts';

export class JoinCodeCalls {
  readonly #requests: ApiRequests;

  constructor(requests: ApiRequests) {
    this.#requests = requests;
  }

  /** Makes a join code. The answer has the code itself, which is shown only here. */
  async create(order: JoinCodeOrder): Promise<CreatedJoinCode> {
    const created = await this.#requests.ask(
      readCreatedJoinCode,
      'POST',
      joinCodesPath,
      JSON.stringify(order),
      listed('a join code'),
    );
    rememberSecret(created.Code);
    return created;
  }

  /** Returns the join codes that the requester keeps, the newest first. */
  list(): Promise<JoinCodeView[]> {
    return this.#requests.ask(readJoinCodes, 'GET', joinCodesPath);
  }

  /** Revokes the join code with exactly this id. `actor` is the operator who wants it. */
  revoke(id: string, actor: string): Promise<JoinCodeView> {
    if (!/^[a-z2-7]{10}$/.test(id)) {
      throw new MusterError('not_found', `there is no join code ${id}`, {
        hint: 'an id has 10 letters and digits; list the codes by: muster join-code list',
      });
    }
    const body = JSON.stringify({ Action: 'revoke', Actor: actor });
    return this.#requests.ask(
      readJoinCode,
      'PUT',
      `${joinCodesPath}/${id}`,
      body,
      listed(`the end of join code ${id}`),
    );
  }
}

const joinCodesPath = '/orchestrator/join-codes';

const listed = (what: string) => ({ what, findOut: (id: string) => `muster explain ${id}` });
