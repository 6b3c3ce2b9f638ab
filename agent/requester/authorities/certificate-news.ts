// Tells listeners of the certificates that this requester makes for itself.
import type { Clock, Timer } from '../../system/clock.ts';
import type { RequesterAnnouncer } from '../events/requester-events.ts';

/** A certificate that was made in the place of the last one, or as the first. */
export interface MadeCertificate {
  /** Why it was made, for people. */
  readonly reason: string;
  /** The SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` writes it. */
  readonly fingerprint: string;
  /** The host names and addresses that it is for. */
  readonly names: readonly string[];
  readonly end: Date;
}

/**
 * Time from the start until the news of it is told, in milliseconds. The requester makes a certificate before its broker starts,
 * and what it tells is not stored, so listeners are given the time to come back.
 */
const comeBackMs = 30_000;

export class CertificateNews {
  readonly #clock: Clock;
  readonly #waiting: MadeCertificate[] = [];
  #announcer: RequesterAnnouncer | undefined;
  #requester = '';
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes that a certificate was made. */
  onMade(certificate: MadeCertificate): void {
    this.#waiting.push(certificate);
    if (this.#announcer) this.#announceSoon();
  }

  /** Announces from now on what is noted. `requester` is the id of the one that makes the certificates. */
  announceBy(announcer: RequesterAnnouncer, requester: string): void {
    this.#announcer = announcer;
    this.#requester = requester;
    if (this.#waiting.length > 0) this.#announceSoon();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #announceSoon(): void {
    this.#timer ??= this.#clock.after(comeBackMs, () => {
      this.#timer = undefined;
      for (const { reason, fingerprint, names, end } of this.#waiting.splice(0))
        this.#announcer?.announce('certificate_renewed', {
          actor: this.#requester,
          reason,
          fingerprint,
          names: names.join(' '),
          until: end.toISOString(),
        });
    });
  }
}
