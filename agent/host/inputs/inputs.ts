// Declares every question that muster asks about its machine. All are in one interface, so that they can be recorded and
// replayed.
import type { Inventory } from '../inventory/inventory.ts';
import type { Cgroup, NvmlAnswer, NvmlFigures } from '../native/native-probe.ts';
import type { DiskSpace } from './disk-space.ts';

/** The reason why there is no value. */
export interface Fault {
  /**
   * `absent`: it does not exist, which is normal on most machines. `denied`: this process may not read it. `late`: it did
   * not answer in time, or an earlier question still hangs. `failed`: any other fault.
   */
  readonly kind: 'absent' | 'denied' | 'late' | 'failed';
  /** The end of a sentence that starts with the name of what was asked. */
  readonly reason: string;
}

/** The answer to one question: a value or a fault. A question never throws. */
export interface Answer<T> {
  readonly value?: T;
  readonly fault?: Fault;
  /** Time from the question to the answer, in milliseconds. */
  readonly took: number;
}

/** Data that Node's `os` module returns without waiting. Recordings contain it, so the names do not change. */
export interface OsInfo {
  /** Node's names of the platform and of the architecture, such as `linux` and `x64`. */
  readonly platform: string;
  readonly arch: string;
  readonly hostname: string;
  readonly release: string;
  /** Number of logical CPUs. */
  readonly cpus: number;
  readonly cpuModel: string;
  /** Number of logical CPUs that this process may use, as libuv counts them. */
  readonly usableCpus: number;
  /** Total memory, in bytes. */
  readonly memory: number;
}

/** A vendor's tool: its name, and the folders where it may be, in order. PATH is never used. */
export interface Tool {
  readonly name: string;
  readonly folders: readonly string[];
}

export interface ToolOutput {
  /** The path of the file that ran. */
  readonly program: string;
  /** The exit status; null when a signal ended the tool. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A request to the cloud's metadata service. */
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

/**
 * The questions about a machine. The system answers them (system-inputs.ts), or a recording does (replay.ts). Text is
 * decoded as UTF-8, with U+FFFD for bytes that are not UTF-8, and without one line break at its end.
 */
export interface Inputs {
  /** The current time, or the time when a recording was made. */
  now(): Date;
  system(): OsInfo;
  /** Reads a small file. */
  file(path: string): Promise<Answer<string>>;
  /** Lists the names in a folder, sorted. */
  folder(path: string): Promise<Answer<readonly string[]>>;
  /** Reads the target of a symbolic link. */
  link(path: string): Promise<Answer<string>>;
  run(tool: Tool, args: readonly string[]): Promise<Answer<ToolOutput>>;
  /** Asks NVIDIA's library for the GPUs. */
  nvml(): Promise<Answer<NvmlAnswer>>;
  /**
   * Reads the figures of the GPUs in the last answer of `nvml`, in the same order. A fault means that `nvml` must be
   * asked again.
   */
  nvmlFigures(): Promise<Answer<readonly NvmlFigures[]>>;
  /** Asks the native probe for the limits of this process. */
  cgroup(): Promise<Answer<Cgroup>>;
  /** Asks for the space on the data folder's file system. */
  space(): Promise<Answer<DiskSpace>>;
  inventory(): Promise<Answer<Inventory>>;
  metadata(request: MetadataRequest): Promise<Answer<string>>;
  /** Looks up the names of a PCI id: vendor and device, such as `10de:2330`. */
  pciNames(id: string): Promise<Answer<PciNames>>;
}

/** Returns inputs that ask `inputs`, and call `wrap` around every question that may take time. */
export function wrapInputs(
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
 * Returns inputs for one source, and functions that return how many milliseconds its questions took together, and whether
 * an answer was late. After a late answer no more questions are asked, because a source that hangs once usually hangs
 * again.
 */
export function measureInputs(inputs: Inputs): { inputs: Inputs; took(): number; late(): Fault | undefined } {
  let took = 0;
  let late: Fault | undefined;
  return {
    took: () => took,
    late: () => late,
    inputs: wrapInputs(inputs, async ask => {
      if (late) return { fault: late, took: 0 };
      const answer = await ask();
      took += answer.took;
      if (answer.fault?.kind === 'late') late = answer.fault;
      return answer;
    }),
  };
}
