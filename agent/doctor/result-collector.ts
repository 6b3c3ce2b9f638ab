// Collects the messages of the process that runs the checks, shows each result in order, and fills in missing results.
import type { BundleFile, CheckMessage, CheckPlan, OmittedFile } from './check-messages.ts';
import type { CheckProcessEnd } from './check-process.ts';
import { type CheckResult, type Finding, failed, noAnswer } from './checks/check.ts';
import { type Look, renderHead, renderResult } from './render.ts';

export interface CollectedResults {
  readonly plan: CheckPlan;
  /** The results, in the order in which they are shown. */
  readonly results: readonly CheckResult[];
  /** The files for the archive. */
  readonly files: readonly BundleFile[];
  readonly leftOut: readonly OmittedFile[];
}

export interface CollectorOptions {
  /** Shows text. When it is undefined, nothing is shown. */
  show?: ((text: string) => void) | undefined;
  look: Look;
  /** Time for all checks together, in milliseconds. */
  timeoutMs: number;
}

export class ResultCollector {
  readonly #options: CollectorOptions;
  readonly #results = new Map<string, CheckResult>();
  readonly #files: BundleFile[] = [];
  readonly #omitted: OmittedFile[] = [];
  #plan: CheckPlan | undefined;
  #shownCount = 0;

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  receive(message: CheckMessage): void {
    if ('plan' in message) {
      this.#plan = message.plan;
      this.#options.show?.(renderHead(message.plan));
    } else if ('result' in message) {
      this.#results.set(message.result.check, message.result);
      this.#showInOrder();
    } else if ('file' in message) this.#files.push(message.file);
    else if ('omitted' in message) this.#omitted.push(message.omitted);
  }

  /** Returns everything that was collected. Call it when no more messages come. */
  finish(end: CheckProcessEnd): CollectedResults {
    // Before it sends the plan, the process only loads the settings. So it hung or died there.
    if (!this.#plan) this.receive({ plan: { roles: [], checks: ['configuration'] } });
    const plan = this.#plan ?? { roles: [], checks: [] };
    for (const check of plan.checks) {
      if (!this.#results.has(check)) this.receive({ result: { check, findings: [this.#missing(end)] } });
    }
    const why = whyIncomplete(end);
    if (why !== undefined) this.#omitted.push({ what: 'anything else', why });
    return {
      plan,
      results: plan.checks.flatMap(check => this.#results.get(check) ?? []),
      files: this.#files,
      leftOut: this.#omitted,
    };
  }

  #missing(end: CheckProcessEnd): Finding {
    if (end.kind === 'late') return noAnswer(this.#options.timeoutMs);
    const text = `it was not checked: ${whyIncomplete(end) ?? 'its result did not come'}`;
    return failed(
      text,
      'look for a driver or a library that crashes the programs that use it; if there is none, report this',
    );
  }

  // Shows the results in order. A result waits until all results before it in the plan have come.
  #showInOrder(): void {
    const { show, look } = this.#options;
    const { checks = [] } = this.#plan ?? {};
    const width = Math.max(...checks.map(name => name.length));
    for (let next = this.#next(checks); next; next = this.#next(checks)) {
      this.#shownCount++;
      show?.(renderResult(next, width, look));
    }
  }

  #next(checks: readonly string[]): CheckResult | undefined {
    const name = checks[this.#shownCount];
    return name === undefined ? undefined : this.#results.get(name);
  }
}

/** Returns why results are missing; undefined when the process sent everything. */
function whyIncomplete(end: CheckProcessEnd): string | undefined {
  if (end.kind === 'done') return undefined;
  return end.kind === 'late'
    ? 'it did not come in time'
    : `the process that runs the checks ended (${end.how})`;
}
