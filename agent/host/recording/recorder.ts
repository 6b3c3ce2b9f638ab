// Inputs that remember what was asked and answered, to be kept as a recording.

import { metadataKey } from '../cloud.ts';
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

  /** What was asked so far. Unless `raw`, without what tells one machine from another of its kind. */
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
  file = (path: string) => this.#keep(question.file(path), this.#inputs.file(path));
  folder = (path: string) => this.#keep(question.folder(path), this.#inputs.folder(path));
  link = (path: string) => this.#keep(question.link(path), this.#inputs.link(path));
  run = (tool: Tool, args: readonly string[]) =>
    this.#keep(question.tool(tool.name, args), this.#inputs.run(tool, args));
  nvml = () => this.#keep('nvml', this.#inputs.nvml());
  // They are in what `nvml` answered: a recording is of one moment.
  nvmlFigures = () => this.#inputs.nvmlFigures();
  cgroup = () => this.#keep('cgroup', this.#inputs.cgroup());
  space = () => this.#keep('space', this.#inputs.space());
  inventory = () => this.#keep('inventory', this.#inputs.inventory());
  pciNames = (id: string) => this.#keep(question.pciNames(id), this.#inputs.pciNames(id));

  async metadata(request: MetadataRequest) {
    const answer = await this.#inputs.metadata(request);
    const key = question.metadata(metadataKey(request));
    // A token opens the door to the machine's own rights: it is kept in no recording, raw or not.
    const secret = request.method === 'PUT' && answer.value !== undefined;
    await this.#keep(key, secret ? { ...answer, value: 'not-recorded' } : answer);
    return answer;
  }

  async #keep<T>(key: string, asked: Promise<Answer<T>> | Answer<T>): Promise<Answer<T>> {
    const answer = await asked;
    const { value, fault, took } = answer;
    if (value !== undefined) this.#answers[key] = value;
    // Most of what is not there was never to be expected; a library that is not there may be.
    else if (fault && (fault.kind !== 'absent' || !key.includes(' '))) this.#faults[key] = fault;
    if (took >= 1) this.#took[key] = Math.round(took * 10) / 10;
    return answer;
  }
}

const sorted = <T>(record: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
