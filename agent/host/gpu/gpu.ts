// Words about GPUs: what one source saw of one, and what a GPU is once all sources are heard.

import type { Fault, Inputs } from '../inputs/inputs.ts';
import type { Fact } from '../values/fact.ts';

/** The makers, as Bacalhau names them (wire protocol 10.4), by the PCI id of the maker. */
export const makers: Readonly<Record<string, string>> = {
  '10de': 'NVIDIA',
  '1002': 'AMD/ATI',
  '8086': 'Intel',
};

export interface MigInstance {
  readonly index: number;
  readonly name?: string | undefined;
  readonly uuid?: string | undefined;
  /** MiB. */
  readonly memory?: number | undefined;
}

/** What a source can say of a GPU; what it does not say is absent. */
export interface GpuProperties {
  readonly name?: string | undefined;
  readonly uuid?: string | undefined;
  /** As the maker's tool counts. */
  readonly index?: number | undefined;
  /** Total, in MiB. */
  readonly memory?: number | undefined;
  /** MiB. */
  readonly memoryUsed?: number | undefined;
  /** The kernel's driver, such as `amdgpu`. */
  readonly driver?: string | undefined;
  readonly driverVersion?: string | undefined;
  /** The newest CUDA that the driver supports. */
  readonly cuda?: string | undefined;
  /** Percent. */
  readonly utilisation?: number | undefined;
  /** Degrees Celsius. */
  readonly temperature?: number | undefined;
  /** Watts. */
  readonly power?: number | undefined;
  /** Uncorrected memory errors since the driver was loaded. */
  readonly eccErrors?: number | undefined;
  /** The parts of a split GPU; absent when it is whole. */
  readonly mig?: readonly MigInstance[] | undefined;
  readonly cores?: number | undefined;
  /** Of a GPU without memory of its own: how much the machine has, in MiB. */
  readonly sharedMemory?: number | undefined;
  /** How much of its memory the CPU can see at once, in MiB: a hint at its size, no measure. */
  readonly aperture?: number | undefined;
}

/** One GPU as one source sees it. */
export interface ReportedGpu extends GpuProperties {
  /** PCI address as sysfs writes it; absent where a GPU has none. */
  readonly address?: string | undefined;
  readonly vendor?: string | undefined;
  /** The source knows that it computes. */
  readonly computes?: boolean;
  /** Why it certainly does not. */
  readonly broken?: string | undefined;
  /** Somebody wants it so. */
  readonly meant?: boolean;
  /** Why it does not, unless another source knows better. */
  readonly doubt?: string | undefined;
}

export type SourceName =
  | 'nvml'
  | 'nvidia procfs'
  | 'nvidia-smi'
  | 'amdgpu'
  | 'rocm-smi'
  | 'intel sysfs'
  | 'xpu-smi'
  | 'system profiler'
  | 'PCI';

/** What changes on a GPU from one moment to the next. */
export type GpuFigures = Pick<GpuProperties, 'memoryUsed' | 'utilisation' | 'temperature' | 'power'>;

export interface GpuSource {
  readonly name: SourceName;
  /** It starts a process: asked only when needed. */
  readonly tool?: true;
  /** The maker whose GPUs it knows; absent when it knows all. */
  readonly vendor?: string;
  read(inputs: Inputs): Promise<SourceAnswer>;
  /**
   * The figures of each of `seen`, its own last sightings, in their order; undefined when they are not all there as they were,
   * or one does not answer, so that it takes a look to know what is.
   */
  tick?(inputs: Inputs, seen: readonly ReportedGpu[]): Promise<readonly GpuFigures[] | undefined>;
}

export interface SourceAnswer {
  readonly sightings: readonly ReportedGpu[];
  /** Why it saw nothing, or not all. */
  readonly fault?: Fault | undefined;
}

/** What came of asking one source. */
export interface SourceReport extends SourceAnswer {
  readonly source: SourceName;
  /** Milliseconds. */
  readonly took: number;
  /** When it was read, RFC 3339. */
  readonly readAt: string;
  /** The sightings are those of an earlier time, when it last answered. */
  readonly kept?: true;
}

/** A GPU, by all sources. */
export type GpuDevice = {
  readonly address?: string | undefined;
  readonly vendor: string;
  /** Can jobs use it? */
  readonly usable: boolean;
  /** Why not. */
  readonly reason?: string | undefined;
  /** A fault is why not: it is there for jobs, and neither unfit for them nor set aside. */
  readonly failed?: true;
  readonly sources: readonly SourceName[];
} & {
  readonly [Word in keyof GpuProperties]?: Fact<NonNullable<GpuProperties[Word]>> | undefined;
};

/** The GPU, in a sentence. */
export const describeGpu = ({ name, vendor, address, index }: GpuDevice): string => {
  const which = address ? ` at ${address}` : index ? ` (GPU ${index.value})` : '';
  return `${name?.value ?? vendor}${which}`;
};

/** Which of `devices` have failed, and why: a sentence each. */
export const failures = (devices: readonly GpuDevice[]): string[] =>
  devices.flatMap(device => (device.failed ? `${describeGpu(device)} cannot be used: ${device.reason}` : []));

/** Most GPUs that are believed of one source: more than any machine has, and than a message may hold. */
export const maxGpus = 256;

/** Nothing seen, and why. */
export const noGpus = (fault: Fault | undefined): SourceAnswer => ({ sightings: [], fault });
