// Hears what the process that looks has found, shows it in order as it comes, and fills in what it did not come to say.

import type { Begun, Gathered, LeftOut, Told } from './check-messages.ts';
import type { Ending } from './check-process.ts';
import { type CheckResult, failed, unanswered } from './checks/check.ts';
import { headText, resultText } from './render.ts';

export interface Heard {
  readonly begun: Begun;
  /** In the order in which they are shown. */
  readonly results: readonly CheckResult[];
  /** For the archive. */
  readonly gathered: readonly Gathered[];
  readonly leftOut: readonly LeftOut[];
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
  readonly #gathered: Gathered[] = [];
  readonly #leftOut: LeftOut[] = [];
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
    } else if ('gathered' in told) this.#gathered.push(told.gathered);
    else if ('leftOut' in told) this.#leftOut.push(told.leftOut);
  }

  /** What was found, once no more comes. */
  end(ending: Ending): Heard {
    // It hung or died before it said what it was going to look at: with the settings, that is.
    if (!this.#begun) this.hear({ begun: { roles: [], checks: ['configuration'] } });
    const begun = this.#begun ?? { roles: [], checks: [] };
    for (const check of begun.checks) {
      if (!this.#results.has(check)) this.hear({ result: { check, findings: [this.#missing(ending)] } });
    }
    const why = whyEnded(ending);
    if (why !== undefined) this.#leftOut.push({ what: 'anything else', why });
    return {
      begun,
      results: begun.checks.flatMap(check => this.#results.get(check) ?? []),
      gathered: this.#gathered,
      leftOut: this.#leftOut,
    };
  }

  #missing(ending: Ending) {
    if (ending.kind === 'late') return unanswered(this.#options.deadline);
    const text = `it was not looked at: ${whyEnded(ending) ?? 'it was passed over'}`;
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

/** Why there is no more; undefined when that was all. */
function whyEnded(ending: Ending): string | undefined {
  if (ending.kind === 'done') return undefined;
  return ending.kind === 'late' ? 'it did not come in time' : `the process that looks ended (${ending.how})`;
}
