// The CAs of a requester in memory, for tests of the API and of its commands.
import type { AuthoritiesView } from '../../agent/protocol/http-authorities.ts';
import type { Directory } from '../../agent/requester/directory/directory.ts';
import { MusterError } from '../../agent/system/errors.ts';

export const fakePins = {
  present: 'A'.repeat(43),
  next: 'B'.repeat(43),
};

/** The certificates of both, as the API gives them. */
export const fakeCertificates = 'the present CA\nthe next CA\n';

export class FakeAuthorities {
  /** What happened, with who wanted it. */
  readonly log: string[] = [];
  missing: string[] = [];
  #hasNext = false;
  #forcedBy: string | undefined;

  readonly calls: Directory['authorities'] = {
    view: () => this.#view(),
    certificates: async () => fakeCertificates,
    rotate: async (isForced, { actor }) => {
      this.log.push(`rotate ${isForced} ${actor}`);
      this.#hasNext = true;
      if (isForced) this.#forcedBy = actor;
    },
    forget: async (pin, { actor }) => {
      if (pin !== fakePins.next || !this.#hasNext)
        throw new MusterError('not_found', `there is no CA with the pin ${pin}`);
      this.log.push(`forget ${pin} ${actor}`);
      this.#hasNext = false;
    },
  };

  #view(): Omit<AuthoritiesView, 'CA'> {
    return {
      Authorities: [
        { Pin: fakePins.present, Use: 'present' },
        ...(this.#hasNext ? [{ Pin: fakePins.next, Use: 'next' }] : []),
      ],
      Ready: this.#hasNext && (this.missing.length === 0 || this.#forcedBy !== undefined),
      Missing: this.missing.length,
      MissingNodes: this.missing,
      ...(this.#forcedBy === undefined ? {} : { ForcedBy: this.#forcedBy }),
    };
  }
}
