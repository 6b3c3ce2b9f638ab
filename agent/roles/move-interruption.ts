// What a signal does to a move of the store, such as Ctrl-C: the first one ends the move only while nothing was removed, and the
// second one ends the process. Both say what the state of the store is, and what to do.
import { note, showMessage } from '../output/terminal.ts';
import { type MoveFact, removedBy } from '../requester/move/move-facts.ts';
import { streamText } from '../requester/status/stream-text.ts';
import { MusterError } from '../system/errors.ts';
import { printable } from '../system/printable.ts';
import { endBySignal } from './interruption.ts';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface MoveInterruptionOptions {
  /** The command line that does the move. */
  command: string;
  /** The file that has the whole store. */
  file: string;
}

export class MoveInterruption implements Disposable {
  readonly #options: MoveInterruptionOptions;
  readonly #facts: MoveFact[] = [];
  #state: 'none' | 'asked' | 'thrown' = 'none';
  readonly #onSignal = (signal: NodeJS.Signals) => this.#receive(signal);

  /** Handles the signals of this process until it is disposed of. */
  constructor(options: MoveInterruptionOptions) {
    this.#options = options;
    for (const signal of signals) process.on(signal, this.#onSignal);
  }

  /** Notes that a stream is about to be removed, or is whole again, also by an earlier process. */
  note(fact: MoveFact): void {
    this.#facts.push(fact);
  }

  /** @throws MusterError `failed`, once, when a signal came and nothing was removed: then the store can stay where it is */
  assertGoesOn(): void {
    if (this.#state !== 'asked' || this.#facts.length > 0) return;
    this.#state = 'thrown';
    throw new MusterError('failed', 'the move was interrupted; the store stays where it was', {
      hint: `to move it after all: ${this.#options.command}`,
    });
  }

  [Symbol.dispose](): void {
    for (const signal of signals) process.off(signal, this.#onSignal);
  }

  #receive(signal: NodeJS.Signals): void {
    if (this.#state !== 'none') {
      this.#describeEnd();
      endBySignal(signal);
    }
    this.#state = 'asked';
    note(
      this.#facts.length === 0
        ? 'The move ends before its next step. Again: it ends at once.'
        : 'Streams were removed already, so the move goes on to its end. Again: it ends at once, in its middle.',
    );
  }

  #describeEnd(): void {
    const { command, file } = this.#options;
    const removed = [...removedBy(this.#facts)].map(streamText);
    const state =
      removed.length > 0
        ? `the broker may not have ${removed.join(' and ')}, which ${removed.length === 1 ? 'is' : 'are'} in ${file}`
        : 'no stream is missing; those that take no writes are opened again by the requesters within two minutes';
    showMessage('Error', printable(`the move was ended in its middle: ${state}`), {
      hint: `run it again on this machine, which completes it: ${command}`,
    });
  }
}
