// The requests to the API about banned keys.
import type { ShownBan } from '../protocol/http-operators.ts';
import { isFingerprint } from '../protocol/nkey.ts';
import { MusterError } from '../system/errors.ts';
import { printable } from '../system/printable.ts';
import { readBans } from './answers.ts';
import type { ApiRequests } from './requests.ts';

export class BanCalls {
  readonly #requests: ApiRequests;

  constructor(requests: ApiRequests) {
    this.#requests = requests;
  }

  /** Returns the keys that are refused for ever. */
  list(): Promise<ShownBan[]> {
    return this.#requests.ask(readBans, 'GET', '/orchestrator/bans');
  }

  /** Lifts the ban of a key. `actor` is the operator who wants it. */
  async lift(fingerprint: string, actor: string): Promise<void> {
    requireFingerprint(fingerprint);
    const path = `/orchestrator/bans/${encodeURIComponent(fingerprint)}`;
    await this.#requests.decide(
      path,
      { Action: 'unban', Actor: actor },
      {
        what: `the unban of key ${fingerprint}`,
        findOut: id => `muster explain ${id}`,
      },
    );
  }
}

/** @throws MusterError `usage` when `text` is no fingerprint. */
export function requireFingerprint(text: string): void {
  if (isFingerprint(text)) return;
  const shown = printable(text, 64);
  throw new MusterError('usage', `"${shown}" is no fingerprint`, {
    hint: 'it has sixteen letters and digits, as ABCD-EFGH-IJKL-MNOP; muster status shows that of a machine',
  });
}
