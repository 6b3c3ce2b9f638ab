// Hears what the process that looks has found, shows it in order as it comes, and fills in what it did not come to say.
import { type CheckResult, failed, unanswered } from './check.ts';
import type { Ending } from './looker.ts';
import { headText, resultText } from './show.ts';
import type { Begun, Told } from './told.ts';

export interface Heard {
  readonly begun: Begun;
  /** In the order in which they are shown. */
  readonly results: readonly CheckResult[];
}

export interface ListenerOptions {
  /** Shows text; without it nothing is shown. */
  show?: ((text: string) => void) | undefined;
  colour: boolean;
  /** Milliseconds that all had. */
  deadline: number;
}

export class Listener {
  readonly #options: ListenerOptions;
  readonly #results = new Map<string, CheckResult>();
  #begun: Begun | undefined;
  #shown = 0;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  hear(told: Told): void {
    if ('begun' in told) {
      this.#begun = told.begun;
      this.#options.show?.(headText(told.begun));
    } else if ('result' in told) {
      this.#results.set(told.result.check, told.result);
      this.#showReady();
    }
  }

  /** What was found, once no more comes. */
  end(ending: Ending): Heard {
    // It hung or died before it said what it was going to look at: with the settings, that is.
    if (!this.#begun) this.hear({ begun: { roles: [], checks: ['configuration'] } });
    const begun = this.#begun ?? { roles: [], checks: [] };
    for (const check of begun.checks) {
      if (!this.#results.has(check)) this.hear({ result: { check, findings: [this.#missing(ending)] } });
    }
    return { begun, results: begun.checks.flatMap(check => this.#results.get(check) ?? []) };
  }

  #missing(ending: Ending) {
    if (ending.kind === 'late') return unanswered(this.#options.deadline);
    const how = ending.kind === 'died' ? ending.how : 'it ended';
    const text = `the process that looks ended before it came to this: ${how}`;
    return failed(
      text,
      'look for a driver or library that crashes whoever asks it; if there is none, report it',
    );
  }

  // As they stand in the list, not as they come.
  #showReady(): void {
    const { show, colour } = this.#options;
    const { checks = [] } = this.#begun ?? {};
    const width = Math.max(...checks.map(name => name.length));
    for (let next = this.#next(checks); next; next = this.#next(checks)) {
      this.#shown++;
      show?.(resultText(next, width, colour));
    }
  }

  #next(checks: readonly string[]): CheckResult | undefined {
    const name = checks[this.#shown];
    return name === undefined ? undefined : this.#results.get(name);
  }
}
