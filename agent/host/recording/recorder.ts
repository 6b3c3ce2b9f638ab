// Asks the questions of inputs.ts and records all answers.

import type { Answer, Inputs, MetadataRequest, Tool } from '../inputs/inputs.ts';
import { anonymous } from './anonymous.ts';
import { question, type Recording } from './recording.ts';

export class Recorder implements Inputs {
  readonly #inputs: Inputs;
  readonly #recordedAt: string;
  readonly #answers: Record<string, unknown> = {};
  readonly #faults: Recording['faults'] & Record<string, unknown> = {};
  readonly #took: Record<string, number> = {};

  constructor(inputs: Inputs) {
    this.#inputs = inputs;
    this.#recordedAt = inputs.now().toISOString();
  }

  /** Returns the answers so far. Without `raw`, serial numbers, names and other ids of this machine are replaced. */
  recording(raw = false): Recording {
    const recording = {
      recordedAt: this.#recordedAt,
      system: this.#inputs.system(),
      answers: sorted(this.#answers),
      faults: sorted(this.#faults) as Recording['faults'],
      took: sorted(this.#took),
    };
    return raw ? recording : anonymous(recording);
  }

  now = () => this.#inputs.now();
  system = () => this.#inputs.system();
  file = (path: string) => this.#record(question.file(path), this.#inputs.file(path));
  folder = (path: string) => this.#record(question.folder(path), this.#inputs.folder(path));
  link = (path: string) => this.#record(question.link(path), this.#inputs.link(path));
  run = (tool: Tool, args: readonly string[]) =>
    this.#record(question.tool(tool.name, args), this.#inputs.run(tool, args));
  nvml = () => this.#record('nvml', this.#inputs.nvml());
  // It is not recorded, because a recording shows one moment, and the answer of `nvml` already contains the figures of that
  // moment.
  nvmlFigures = () => this.#inputs.nvmlFigures();
  cgroup = () => this.#record('cgroup', this.#inputs.cgroup());
  space = () => this.#record('space', this.#inputs.space());
  inventory = () => this.#record('inventory', this.#inputs.inventory());
  pciNames = (id: string) => this.#record(question.pciNames(id), this.#inputs.pciNames(id));

  async metadata(request: MetadataRequest) {
    const answer = await this.#inputs.metadata(request);
    const key = question.metadata(request);
    // The answer to PUT is a token with the rights of the machine. No recording may contain it, not even a raw one.
    const isToken = request.method === 'PUT' && answer.value !== undefined;
    await this.#record(key, isToken ? { ...answer, value: 'not-recorded' } : answer);
    return answer;
  }

  async #record<T>(key: string, pending: Promise<Answer<T>> | Answer<T>): Promise<Answer<T>> {
    const answer = await pending;
    const { value, fault, took } = answer;
    if (value !== undefined) this.#answers[key] = value;
    // Absent files are normal, and a replay answers `absent` by itself. For questions without a path, such as `nvml`, the
    // reason is useful.
    else if (fault && (fault.kind !== 'absent' || !key.includes(' '))) this.#faults[key] = fault;
    if (took >= 1) this.#took[key] = Math.round(took * 10) / 10;
    return answer;
  }
}

const sorted = <T>(record: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
