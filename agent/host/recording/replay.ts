// Inputs that answer from a recording. What they say is checked again: a recording is a file like any other.
import * as v from 'valibot';
import { metadataKey } from '../cloud.ts';
import type { Answer, Inputs, MetadataRequest, OsInfo, Tool } from '../inputs/inputs.ts';
import { inventorySchema } from '../inventory/inventory.ts';
import { question, type Recording } from './recording.ts';

const text = v.pipe(v.string(), v.maxLength(1_048_576));
const number = v.pipe(v.number(), v.finite());
const bytes = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const positive = v.pipe(v.number(), v.finite(), v.gtValue(0));
const maybe = <const T extends v.GenericSchema>(schema: T) => v.exactOptional(schema);

const texts = v.pipe(v.array(text), v.maxLength(65_536));
const toolOutput = v.object({
  program: text,
  status: v.nullable(number),
  stdout: v.optional(text, ''),
  stderr: v.optional(text, ''),
});
const memory = { memoryTotal: maybe(bytes), memoryUsed: maybe(bytes) };
const nvmlAnswer = v.object({
  driverVersion: maybe(text),
  cudaVersion: maybe(text),
  gpus: v.array(
    v.object({
      index: number,
      uuid: maybe(text),
      name: maybe(text),
      pciAddress: maybe(text),
      ...memory,
      utilisation: maybe(number),
      temperature: maybe(number),
      power: maybe(number),
      eccVolatile: maybe(number),
      mig: maybe(v.boolean()),
      migInstances: v.optional(
        v.array(v.object({ index: number, uuid: maybe(text), name: maybe(text), ...memory })),
        [],
      ),
      errors: v.optional(v.array(v.object({ call: text, error: text })), []),
    }),
  ),
});
const cgroupLimits = v.object({
  version: maybe(v.picklist([1, 2])),
  memoryLimit: maybe(bytes),
  memoryUsed: maybe(bytes),
  memorySource: maybe(text),
  cpuLimit: maybe(positive),
  cpuSource: maybe(text),
  affinity: maybe(positive),
});
const space = v.object({ total: bytes, available: bytes });
const pciNames = v.object({ vendor: text, device: maybe(text) });

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
  // It is of one moment, and `nvml` tells all of that.
  nvmlFigures = async () => ({ fault: { kind: 'absent', reason: 'is not recorded' } as const, took: 0 });
  cgroup = () => this.#answer('cgroup', cgroupLimits);
  space = () => this.#answer('space', space);
  inventory = () => this.#answer('inventory', inventorySchema);
  metadata = (request: MetadataRequest) => this.#answer(question.metadata(metadataKey(request)), text);
  pciNames = (id: string) => this.#answer(question.pciNames(id), pciNames);

  async #answer<const T extends v.GenericSchema>(key: string, schema: T): Promise<Answer<v.InferOutput<T>>> {
    const { answers, faults, took: times } = this.#recording;
    const took = Object.hasOwn(times, key) ? (times[key] ?? 0) : 0;
    const fault = Object.hasOwn(faults, key) ? faults[key] : undefined;
    if (fault) return { fault, took };
    if (!Object.hasOwn(answers, key)) return { fault: { kind: 'absent', reason: 'is not there' }, took };
    const result = v.safeParse(schema, answers[key], { abortEarly: true });
    if (result.success) return { value: result.output, took };
    return { fault: { kind: 'failed', reason: 'is recorded in a form that nobody reads' }, took };
  }
}
