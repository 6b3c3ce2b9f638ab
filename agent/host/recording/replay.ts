// Answers the questions of inputs.ts from a recording. Each answer is validated, because anybody may have written the file.
import * as v from 'valibot';
import type { Answer, Inputs, MetadataRequest, OsInfo, Tool } from '../inputs/inputs.ts';
import { inventorySchema } from '../inventory/inventory.ts';
import { question, type Recording } from './recording.ts';

const text = v.pipe(v.string(), v.maxLength(1_048_576));
const number = v.pipe(v.number(), v.finite());
const bytes = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const positive = v.pipe(v.number(), v.finite(), v.gtValue(0));
const optional = <const T extends v.GenericSchema>(schema: T) => v.exactOptional(schema);

const texts = v.pipe(v.array(text), v.maxLength(65_536));
const toolOutput = v.object({
  program: text,
  status: v.nullable(number),
  stdout: v.optional(text, ''),
  stderr: v.optional(text, ''),
});
const memory = { memoryTotal: optional(bytes), memoryUsed: optional(bytes) };
const nvmlAnswer = v.object({
  driverVersion: optional(text),
  cudaVersion: optional(text),
  gpus: v.array(
    v.object({
      index: number,
      uuid: optional(text),
      name: optional(text),
      pciAddress: optional(text),
      ...memory,
      utilisation: optional(number),
      temperature: optional(number),
      power: optional(number),
      eccVolatile: optional(number),
      mig: optional(v.boolean()),
      migInstances: v.optional(
        v.array(v.object({ index: number, uuid: optional(text), name: optional(text), ...memory })),
        [],
      ),
      errors: v.optional(v.array(v.object({ call: text, error: text })), []),
    }),
  ),
});
const cgroupLimits = v.object({
  version: optional(v.picklist([1, 2])),
  memoryLimit: optional(bytes),
  memoryUsed: optional(bytes),
  memorySource: optional(text),
  cpuLimit: optional(positive),
  cpuSource: optional(text),
  affinity: optional(positive),
});
const space = v.object({ total: bytes, available: bytes });
const pciNames = v.object({ vendor: text, device: optional(text) });

export class Replay implements Inputs {
  readonly #recording: Recording;

  constructor(recording: Recording) {
    this.#recording = recording;
  }

  now = () => new Date(this.#recording.recordedAt);
  system = (): OsInfo => this.#recording.system;
  file = (path: string) => this.#answer(question.file(path), text);
  folder = (path: string) => this.#answer(question.folder(path), texts);
  link = (path: string) => this.#answer(question.link(path), text);
  run = (tool: Tool, args: readonly string[]) => this.#answer(question.tool(tool.name, args), toolOutput);
  nvml = () => this.#answer('nvml', nvmlAnswer);
  // A recording shows one moment, and the answer of `nvml` already contains the figures of that moment.
  nvmlFigures = async () => ({ fault: { kind: 'absent', reason: 'is not recorded' } as const, took: 0 });
  cgroup = () => this.#answer('cgroup', cgroupLimits);
  space = () => this.#answer('space', space);
  inventory = () => this.#answer('inventory', inventorySchema);
  metadata = (request: MetadataRequest) => this.#answer(question.metadata(request), text);
  pciNames = (id: string) => this.#answer(question.pciNames(id), pciNames);

  async #answer<const T extends v.GenericSchema>(key: string, schema: T): Promise<Answer<v.InferOutput<T>>> {
    const { answers, faults, took: times } = this.#recording;
    const took = Object.hasOwn(times, key) ? (times[key] ?? 0) : 0;
    const fault = Object.hasOwn(faults, key) ? faults[key] : undefined;
    if (fault) return { fault, took };
    if (!Object.hasOwn(answers, key)) return { fault: { kind: 'absent', reason: 'is not there' }, took };
    const result = v.safeParse(schema, answers[key], { abortEarly: true });
    if (result.success) return { value: result.output, took };
    return { fault: { kind: 'failed', reason: 'is recorded in a form that cannot be read' }, took };
  }
}
