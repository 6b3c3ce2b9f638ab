// Everything that is read to find out what this machine is, behind one interface, so that it can be recorded and replayed.

import type { Inventory } from '../inventory/inventory.ts';
import type { Cgroup, NvmlAnswer, NvmlFigures } from '../native/native-probe.ts';
import type { Space } from '../sample/disk.ts';

/** Why there is no value. */
export interface Fault {
  /**
   * `absent`: it is not there, which is how most machines are. `denied`: not for us to read. `late`: it did not answer in
   * time, or still hangs from an earlier time. `failed`: anything else.
   */
  readonly kind: 'absent' | 'denied' | 'late' | 'failed';
  /** The end of a sentence that starts with what was asked. */
  readonly reason: string;
}

/** What came of one question: a value or a fault, never an exception. */
export interface Answer<T> {
  readonly value?: T;
  readonly fault?: Fault;
  /** Milliseconds. */
  readonly took: number;
}

/** What `os` says, without waiting. */
export interface OsInfo {
  /** Node's names, such as `linux` and `x64`. */
  readonly platform: string;
  readonly arch: string;
  readonly hostname: string;
  readonly release: string;
  /** Logical CPUs. */
  readonly cpus: number;
  readonly cpuModel: string;
  /** Logical CPUs that this process may use, as libuv counts. */
  readonly usableCpus: number;
  /** Total bytes. */
  readonly memory: number;
}

/** A vendor's tool: its name, and the folders where it may be, first to last. Never looked up on PATH. */
export interface Tool {
  readonly name: string;
  readonly folders: readonly string[];
}

export interface ToolOutput {
  /** The file that ran. */
  readonly program: string;
  /** Its exit status; null when a signal ended it. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A question to the cloud's metadata service. */
export interface MetadataRequest {
  readonly method: 'GET' | 'PUT';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Names from the PCI id database. */
export interface PciNames {
  readonly vendor: string;
  readonly device?: string | undefined;
}

/** Text is decoded as UTF-8, bytes that are none become U+FFFD; one last line break is taken off. */
export interface Inputs {
  /** The time of reading; of a recording, the time when it was made. */
  now(): Date;
  system(): OsInfo;
  /** A small file. */
  file(path: string): Promise<Answer<string>>;
  /** The names in a folder, sorted. */
  folder(path: string): Promise<Answer<readonly string[]>>;
  /** What a symbolic link says. */
  link(path: string): Promise<Answer<string>>;
  run(tool: Tool, args: readonly string[]): Promise<Answer<ToolOutput>>;
  /** The GPUs by the NVIDIA library. */
  nvml(): Promise<Answer<NvmlAnswer>>;
  /** What changes on the GPUs of the last answer of `nvml`, in its order; a fault when it takes that one to know what there is. */
  nvmlFigures(): Promise<Answer<readonly NvmlFigures[]>>;
  /** The limits that the native probe finds. */
  cgroup(): Promise<Answer<Cgroup>>;
  /** Room on the data folder's file system. */
  space(): Promise<Answer<Space>>;
  inventory(): Promise<Answer<Inventory>>;
  metadata(request: MetadataRequest): Promise<Answer<string>>;
  /** `id` is vendor and device, `10de:2330`. */
  pciNames(id: string): Promise<Answer<PciNames>>;
}

/** `inputs` with something done around every question. */
export function around(
  inputs: Inputs,
  wrap: <T>(ask: () => Promise<Answer<T>>) => Promise<Answer<T>>,
): Inputs {
  return {
    now: () => inputs.now(),
    system: () => inputs.system(),
    file: path => wrap(() => inputs.file(path)),
    folder: path => wrap(() => inputs.folder(path)),
    link: path => wrap(() => inputs.link(path)),
    run: (tool, args) => wrap(() => inputs.run(tool, args)),
    nvml: () => wrap(() => inputs.nvml()),
    nvmlFigures: () => wrap(() => inputs.nvmlFigures()),
    cgroup: () => wrap(() => inputs.cgroup()),
    space: () => wrap(() => inputs.space()),
    inventory: () => wrap(() => inputs.inventory()),
    metadata: request => wrap(() => inputs.metadata(request)),
    pciNames: id => wrap(() => inputs.pciNames(id)),
  };
}

/**
 * `inputs` for one source, with how long all that it asked took. After an answer that was late nothing more is asked, as what
 * hangs once tends to hang again.
 */
export function measureInputs(inputs: Inputs): { inputs: Inputs; took(): number; late(): Fault | undefined } {
  let took = 0;
  let late: Fault | undefined;
  return {
    took: () => took,
    late: () => late,
    inputs: around(inputs, async ask => {
      if (late) return { fault: late, took: 0 };
      const answer = await ask();
      took += answer.took;
      if (answer.fault?.kind === 'late') late = answer.fault;
      return answer;
    }),
  };
}
