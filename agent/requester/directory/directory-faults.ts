// The errors for an operator whose request the store did not carry out, or did not answer.
import { MusterError } from '../../system/errors.ts';
import { BrokerError, isRefusal } from '../../transport/port.ts';
import { RecordTooLarge } from '../roll/record-room.ts';
import { UnwrittenError } from '../roll/record-writer.ts';
import type { Counters } from '../status/counters.ts';
import { isKnownToHaveFailed, roomHint, storeFault } from '../status/store-fault.ts';

export interface DirectoryFaultsOptions {
  counters: Pick<Counters, 'storeFailures'>;
  /** The folder of the requester's own broker; undefined when the broker is another one. */
  brokerFolder?: string | undefined;
}

export class DirectoryFaults {
  readonly #options: DirectoryFaultsOptions;

  constructor(options: DirectoryFaultsOptions) {
    this.#options = options;
  }

  /**
   * Throws the error for a decision that the store did not carry out, or whose answer was lost. `findOut` is the command that
   * tells later whether it stands.
   */
  throwUndecided(error: unknown, name: string, findOut: string): never {
    if (error instanceof RecordTooLarge) throw tooLarge(error, name);
    if (!(error instanceof BrokerError)) throw error;
    this.#options.counters.storeFailures++;
    const fault = storeFault(error);
    // A store that got no decision has not stored it either.
    if (error instanceof UnwrittenError || isKnownToHaveFailed(error)) {
      const hint = this.#unstoredHint(error);
      const text = `the decision about node ${name} was not stored: ${fault} (${error.message})`;
      const code = error.fault === 'no_quorum' ? 'no_quorum' : 'failed';
      throw new MusterError(code, text, { hint, cause: error, nothingDone: true });
    }
    const text = `the decision about node ${name} may stand or not: ${fault} (${error.message})`;
    throw new MusterError('unreachable', text, { hint: `find out with: ${findOut}`, cause: error });
  }

  /** Throws the error for events that cannot be read. */
  throwUnread(error: unknown): never {
    if (!(error instanceof BrokerError)) throw error;
    this.#options.counters.storeFailures++;
    const fault = isRefusal(error) ? 'refuses to be read' : 'does not answer';
    throw new MusterError('unreachable', `the event stream ${fault}: ${error.message}`, {
      hint: 'try again in a moment; the log of the requester says more',
      cause: error,
    });
  }

  #unstoredHint(error: BrokerError): string {
    if (error.fault === 'no_quorum')
      return 'decide again when it has one; muster status names the servers that are away';
    if (error.fault === 'no_space') return roomHint(this.#options.brokerFolder);
    return isRefusal(error)
      ? "the broker's log says more"
      : 'decide again in a moment; muster status says what is wrong';
  }
}

// The store works, and what fills the record is known.
const tooLarge = (error: RecordTooLarge, name: string): MusterError =>
  new MusterError('conflict', `nothing was decided about node ${name}: ${error.message}`, {
    hint: error.remedy,
    cause: error,
  });
