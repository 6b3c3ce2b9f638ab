// Declares what a GPU source reports about a GPU, and the GPU that results when the reports of all sources are merged.
import type { Fault, Inputs } from '../inputs/inputs.ts';
import type { Fact } from '../values/fact.ts';

/** Bacalhau's names of the vendors, by their PCI vendor id. */
export const vendorNames: Readonly<Record<string, string>> = {
  '10de': 'NVIDIA',
  '1002': 'AMD/ATI',
  '8086': 'Intel',
};

export interface MigInstance {
  readonly index: number;
  readonly name?: string | undefined;
  readonly uuid?: string | undefined;
  /** Memory, in MiB. */
  readonly memory?: number | undefined;
}

/**
 * The properties of a GPU that a source may know. `muster probe -o json` prints them and those of the types below, so the
 * names of their members do not change.
 */
export interface GpuProperties {
  readonly name?: string | undefined;
  readonly uuid?: string | undefined;
  /** The number of the GPU in the vendor's tool. */
  readonly index?: number | undefined;
  /** Total memory, in MiB. */
  readonly memory?: number | undefined;
  /** Memory in use, in MiB. */
  readonly memoryUsed?: number | undefined;
  /** The kernel's driver, such as `amdgpu`. */
  readonly driver?: string | undefined;
  readonly driverVersion?: string | undefined;
  /** The newest CUDA version that the driver supports. */
  readonly cuda?: string | undefined;
  /** Utilisation, in percent. */
  readonly utilisation?: number | undefined;
  /** Temperature, in degrees Celsius. */
  readonly temperature?: number | undefined;
  /** Power, in watts. */
  readonly power?: number | undefined;
  /** Number of uncorrected memory errors since the driver was loaded. */
  readonly eccErrors?: number | undefined;
  /** The parts of a split GPU. Absent for a whole GPU. */
  readonly mig?: readonly MigInstance[] | undefined;
  readonly cores?: number | undefined;
  /** The memory of the machine, in MiB, for a GPU that has no memory of its own. */
  readonly sharedMemory?: number | undefined;
  /** The part of its memory that the CPU can address, in MiB. It only suggests how large the memory is. */
  readonly aperture?: number | undefined;
}

/** One GPU as one source reports it. */
export interface ReportedGpu extends GpuProperties {
  /** PCI address as sysfs writes it. Absent for a GPU without one. */
  readonly address?: string | undefined;
  readonly vendor?: string | undefined;
  /** Set when the source knows that jobs can compute on the GPU. */
  readonly computes?: boolean;
  /** The reason why jobs certainly cannot use it. */
  readonly broken?: string | undefined;
  /** Set when somebody configured the state in `broken`, so it is no fault. */
  readonly meant?: boolean;
  /** The reason why jobs cannot use it, unless another source knows that it computes. */
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

/** The properties that change all the time. */
export type GpuFigures = Pick<GpuProperties, 'memoryUsed' | 'utilisation' | 'temperature' | 'power'>;

/** A place where GPU facts come from. */
export interface GpuSource {
  readonly name: SourceName;
  /** Set for a source that starts a process. It is asked only when it is needed. */
  readonly tool?: true;
  /** The vendor whose GPUs the source knows; absent when it knows those of all vendors. */
  readonly vendor?: string;
  /** Reports all GPUs. Never throws. */
  read(inputs: Inputs): Promise<SourceAnswer>;
  /**
   * Reads the figures of the GPUs that the source reported in the last scan, in the same order. Returns undefined when a
   * scan is needed, because the GPUs changed or one does not answer.
   */
  readFigures?(inputs: Inputs, before: readonly ReportedGpu[]): Promise<readonly GpuFigures[] | undefined>;
}

export interface SourceAnswer {
  readonly sightings: readonly ReportedGpu[];
  /** The reason why the source reports no GPU, or not all of them. */
  readonly fault?: Fault | undefined;
}

/** The report of one source, and its time. */
export interface SourceReport extends SourceAnswer {
  readonly source: SourceName;
  /** Time that the source took, in milliseconds. */
  readonly took: number;
  /** Time when it was read, RFC 3339. */
  readonly readAt: string;
  /** Set when the source did not answer, and its last GPUs are used. */
  readonly kept?: true;
}

/** A GPU as all sources report it. */
export type GpuDevice = {
  readonly address?: string | undefined;
  readonly vendor: string;
  /** Whether jobs can use it. */
  readonly usable: boolean;
  /** The reason why jobs cannot use it. */
  readonly reason?: string | undefined;
  /** Set when it is meant for jobs, but not usable because of a fault. */
  readonly failed?: true;
  readonly sources: readonly SourceName[];
} & {
  readonly [Name in keyof GpuProperties]?: Fact<NonNullable<GpuProperties[Name]>> | undefined;
};

/** Returns how a sentence names the GPU. */
export const describeGpu = ({ name, vendor, address, index }: GpuDevice): string => {
  const which = address ? ` at ${address}` : index ? ` (GPU ${index.value})` : '';
  return `${name?.value ?? vendor}${which}`;
};

/** Returns one sentence for each GPU that has failed. */
export const failures = (devices: readonly GpuDevice[]): string[] =>
  devices.flatMap(device => (device.failed ? `${describeGpu(device)} cannot be used: ${device.reason}` : []));

/** Number of GPUs of one source that are read. No machine has more, and a message has room for them. */
export const maxGpus = 256;

/** Returns the answer of a source that reports no GPU. */
export const noGpus = (fault: Fault | undefined): SourceAnswer => ({ sightings: [], fault });
