// What the addon exports, generated from its Rust sources by `native/build types`.

/** Reads the limits. Never throws: what cannot be read is absent. */
export declare function cgroup(options?: CgroupOptions | undefined | null): Cgroup

/** Limits. What is absent is not limited, or cannot be read. */
export interface Cgroup {
  /** Of the hierarchy that the memory controller is in, else the CPU controller; absent where neither is found. */
  version?: 1 | 2
  /** Bytes. */
  memoryLimit?: number
  /** Bytes in use where that limit stands; file cache that is next to be dropped does not count. */
  memoryUsed?: number
  /** The file that the limit was read from. */
  memorySource?: string
  /** CPUs, as a fraction: quota divided by period. */
  cpuLimit?: number
  /** The file that the limit was read from. */
  cpuSource?: string
  /** How many CPUs the group may run on. */
  cpuset?: number
  /** The file that the set was read from. */
  cpusetSource?: string
  /** How many CPUs the calling thread may run on, by sched_getaffinity(2); cpusets are in it already. */
  affinity?: number
}

/** Where to look; a test or a recorded machine brings its own. */
export interface CgroupOptions {
  /** `/sys/fs/cgroup` unless told. */
  root?: string
  /** `/proc/self/cgroup` unless told. */
  selfCgroup?: string
}

/** Milliseconds since boot, over all CPUs, as the system counts them: in steps of a tick, 10 ms. */
export interface CpuTimes {
  /** How many CPUs the times cover. */
  cpus: number
  /** Guests included. */
  user: number
  /** Guests included. */
  nice: number
  system: number
  idle: number
  /** Idle, with a disk awaited. 0 on macOS, as are the three below. */
  iowait: number
  irq: number
  softirq: number
  /** Given to others by the hypervisor. */
  steal: number
}

/**
 * The file system that `path` is on, answered within `deadlineMs` (1000 unless told).
 *
 * Rejects with a `code`: the system's (`ENOENT`, `EACCES`, …); `ETIMEDOUT` at the deadline, and at once for as long as an
 * earlier question about this path hangs; `EBUSY` while one is within its deadline; `EAGAIN` when 16 paths hang, or the
 * system gives no thread.
 */
export declare function disk(path: string, deadlineMs?: number | undefined | null): Promise<DiskSpace>

/** Room on a file system. Sizes in bytes. */
export interface DiskSpace {
  total: number
  /** Not in use, what is kept back for root included. */
  free: number
  /** What an ordinary user may fill. */
  available: number
  /** 0 on file systems that make inodes as they need them. */
  inodes: number
  inodesFree: number
  /** As `available`, counted in inodes. */
  inodesAvailable: number
}

/**
 * Ends the process at once, with `code` as its status. Nothing more is run or flushed, and no thread is waited for, as
 * `process.exit` waits for those that Node reads files with: one that a file system holds keeps it for ever.
 */
export declare function exitNow(code: number): never

/** Asks NVML for everything. Never rejects for what NVML, the driver or a GPU does: `state` and `errors` say it. */
export declare function gpusNvml(options?: NvmlOptions | undefined | null): Promise<NvmlReport>

/**
 * Sends `state` (`READY=1`, `STATUS=…`, lines of them) to `socket`, the value of NOTIFY_SOCKET: a path, or `@` and a name in
 * the abstract namespace. True when it was sent; false without a socket, when no service manager asked to be told.
 *
 * Throws with a `code`: `EINVAL` for what is no such address, `EMSGSIZE` for a state beyond the 4096 bytes that a service
 * manager reads, `EAGAIN` when it does not keep up reading, else the system's own (`ENOENT`, `ECONNREFUSED`, `EACCES`).
 */
export declare function notify(socket: string | undefined | null, state: string): boolean

export interface NvmlError {
  /** The function, such as `nvmlDeviceGetPowerUsage`. */
  call: string
  /** NVML's name for it, such as `NVML_ERROR_NOT_SUPPORTED`; `symbol not found` when the library is too old for the call. */
  error: string
}

/**
 * Reads what changes on the GPUs that `gpusNvml` holds: of each, by index, bytes of memory in use, percent, degrees Celsius and
 * watts, as in `NvmlGpu`; NaN for what it does not say. Null when only a look can tell: nothing is held, a GPU does not answer as
 * it did then, or no answer came within `deadlineMs`. A tick that hangs stays the only one, and a look tells where. Never rejects.
 */
export declare function nvmlFigures(deadlineMs: number): Promise<Array<number> | null>

export interface NvmlGpu {
  /** NVML's, in the order of PCI addresses. */
  index: number
  uuid?: string
  name?: string
  /** As sysfs writes it: `0000:65:00.0`. */
  pciAddress?: string
  /** Bytes. */
  memoryTotal?: number
  /** Bytes. What the driver keeps for itself counts only where it does not say how much that is (before version 510). */
  memoryUsed?: number
  /** Percent of the time of the last sample in which the GPU worked. */
  utilisation?: number
  /** Degrees Celsius. */
  temperature?: number
  /** Watts. */
  power?: number
  /** Uncorrected memory errors since the driver was loaded. */
  eccVolatile?: number
  /** Uncorrected memory errors over the GPU's life. */
  eccAggregate?: number
  /** Whether the GPU is split (multi-instance GPU); absent where it cannot be. */
  mig?: boolean
  /** Its parts when it is split. */
  migInstances: Array<NvmlMigInstance>
  /** What was not answered about this GPU. */
  errors: Array<NvmlError>
}

/** What stands on the disk while a library is called that may end the process; afterwards there are blanks in its place. */
export interface NvmlMark {
  path: string
  text: string
}

/** One part of a GPU that is split. */
export interface NvmlMigInstance {
  /** NVML's, within its GPU. */
  index: number
  uuid?: string
  name?: string
  /** Bytes. */
  memoryTotal?: number
  /** Bytes. */
  memoryUsed?: number
}

export interface NvmlOptions {
  /** A path, or a name that the dynamic linker finds; `libnvidia-ml.so.1` unless told. */
  library?: string
  /** 10000 unless told: without persistence mode a driver takes a second or more for each GPU to wake. */
  deadlineMs?: number
  /** Holds NVML and its devices for ticks, until the next question, unless a GPU is not well. Each tick leaves this mark. */
  hold?: NvmlMark
}

/** What NVML says. Facts it does not give are absent, and `errors` says why. */
export interface NvmlReport {
  /**
   * `answered`: it was asked, and `gpus` holds what it has (perhaps none). `absent`: there is no such library. `failed`: the
   * library cannot be used. `hung`: no answer within the deadline, or an earlier call still hangs. `busy`: an earlier call is
   * still within its deadline.
   */
  state: 'answered' | 'absent' | 'failed' | 'hung' | 'busy'
  /** Unless answered: one sentence that says why. */
  reason?: string
  /** When hung: the function that does not return; empty when it hangs in opening the library. */
  call?: string
  /** How long this took; when hung, how long the call has been out. */
  tookMs: number
  driverVersion?: string
  /** The newest CUDA that the driver supports, such as `12.4`. */
  cudaVersion?: string
  /** By index, 256 at most. */
  gpus: Array<NvmlGpu>
  /** What NVML itself did not answer; each GPU has its own. */
  errors: Array<NvmlError>
}

/** Reads everything now. Never throws for want of a source: what it would give is absent, or 0 for swap. */
export declare function sample(): Sample

/** What is now. Memory in bytes. */
export interface Sample {
  memoryTotal: number
  /** What could be had without swapping, memory that caches hold included; absent where the system does not say. */
  memoryAvailable?: number
  swapTotal: number
  swapFree: number
  /** Absent where the system does not say. */
  cpu?: CpuTimes
  load1: number
  load5: number
  load15: number
  /** Seconds since boot, with fractions; time asleep counts. */
  uptime: number
  /** The system's own name for this boot; absent where it gives none. */
  bootId?: string
}
