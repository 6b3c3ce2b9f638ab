// Declares what the addon exports. This file is generated from its Rust sources by `native/build types`.

/** Reads the limits. Never throws: a limit that cannot be read is absent. */
export declare function cgroup(options?: CgroupOptions | undefined | null): Cgroup

/** Limits. An absent limit does not exist or cannot be read. */
export interface Cgroup {
  /** Version of the hierarchy with the memory controller, or else with the CPU controller. Absent when neither exists. */
  version?: 1 | 2
  /** Memory limit, in bytes. */
  memoryLimit?: number
  /** Bytes in use in the group that has the limit, without the file cache that the kernel would drop first. */
  memoryUsed?: number
  /** The file that the limit was read from. */
  memorySource?: string
  /** CPU quota divided by its period, in CPUs, which may be a fraction. */
  cpuLimit?: number
  /** The file that the limit was read from. */
  cpuSource?: string
  /** Number of CPUs that the group may run on. */
  cpuset?: number
  /** The file that the CPU set was read from. */
  cpusetSource?: string
  /** Number of CPUs that the calling thread may run on, by sched_getaffinity(2). The limits of cpusets are included. */
  affinity?: number
}

/** Paths of the files. Tests use other files. */
export interface CgroupOptions {
  /** Folder of the control groups; `/sys/fs/cgroup` by default. */
  root?: string
  /** File with the groups of this process; `/proc/self/cgroup` by default. */
  selfCgroup?: string
}

/** Milliseconds since boot, summed over all CPUs. The system counts in ticks of 10 ms. */
export interface CpuTimes {
  /** Number of CPUs that the times cover. */
  cpus: number
  /** Time of programs, including guests. */
  user: number
  /** Time of programs with lowered priority, including guests. */
  nice: number
  system: number
  idle: number
  /** Time in which a CPU was idle and a task waited for a disk. This and the three times below are 0 on macOS. */
  iowait: number
  irq: number
  softirq: number
  /** Time that the hypervisor gave to other machines. */
  steal: number
}

/**
 * Asks for the room on the file system of `path`, and answers within `deadlineMs`, 1000 by default.
 *
 * Rejects with a `code`: that of the system (`ENOENT`, `EACCES`, …); `ETIMEDOUT` at the deadline, or at once while an
 * earlier question about the same path hangs; `EBUSY` while an earlier question is within its deadline; `EAGAIN` when 16
 * paths hang, or when the system gives no thread.
 */
export declare function disk(path: string, deadlineMs?: number | undefined | null): Promise<DiskSpace>

/** The room on a file system. Sizes are in bytes. */
export interface DiskSpace {
  total: number
  /** Room that is not in use, including the part that is reserved for root. */
  free: number
  /** Room that an ordinary user may fill. */
  available: number
  /** Number of inodes. 0 on file systems that create inodes when they need them. */
  inodes: number
  inodesFree: number
  /** Number of inodes that an ordinary user may use. */
  inodesAvailable: number
}

/**
 * Ends the process at once with the exit status `code`. Nothing more is run or flushed, and no thread is waited for.
 * `process.exit` waits for the threads on which Node reads files, so a file system that hangs would keep the process for
 * ever.
 */
export declare function exitNow(code: number): never

/**
 * Gives back what was freed. The allocator of glibc keeps it otherwise, for each thread that ever compiled something.
 * With other C libraries it does nothing. Never throws.
 */
export declare function giveBackFreed(): void

/**
 * Lets V8 look for all garbage, and drop compiled code that did not run lately: it is compiled again when it is called. It takes
 * as long as the look itself, 20 milliseconds for 10 MB. Never throws.
 */
export declare function giveBackGarbage(): void

/**
 * Gives back the pages of the program's own file. Those that are needed again come back from the system's cache of files.
 * Linux only; elsewhere it does nothing. Never throws.
 */
export declare function giveBackProgram(): void

/**
 * Asks NVML for everything, which is a scan. Never rejects for a failure of NVML, the driver or a GPU: `state` and
 * `errors` report it.
 */
export declare function gpusNvml(options?: NvmlOptions | undefined | null): Promise<NvmlReport>

/**
 * Sends `state`, which has lines such as `READY=1` and `STATUS=…`, to `socket`. That is the value of NOTIFY_SOCKET: a
 * path, or `@` and a name in the abstract namespace. Returns true when the state was sent, and false without a socket,
 * which means that no service manager wants it.
 *
 * Throws with a `code`: `EINVAL` for a bad address, `EMSGSIZE` for a state of more than 4096 bytes, which no service
 * manager reads, `EAGAIN` when the manager does not read fast enough, and else the system's code (`ENOENT`,
 * `ECONNREFUSED`, `EACCES`).
 */
export declare function notify(socket: string | undefined | null, state: string): boolean

/** A call of NVML that failed. */
export interface NvmlError {
  /** The function, such as `nvmlDeviceGetPowerUsage`. */
  call: string
  /**
   * NVML's name of the error, such as `NVML_ERROR_NOT_SUPPORTED`, or `symbol not found` when the library is too old for
   * the function.
   */
  error: string
}

/**
 * Reads the figures of the GPUs that `gpusNvml` holds: four for each GPU, by index, as in `NvmlGpu`: bytes of memory in
 * use, percent, degrees Celsius and watts, with NaN for a figure that is not known. The result is null when a scan is
 * needed: no GPU is held, a GPU does not answer as in the last scan, or there was no answer within `deadlineMs`. While a
 * call hangs no other one is started, and a scan says where it hangs. Never rejects.
 */
export declare function nvmlFigures(deadlineMs: number): Promise<Array<number> | null>

/** The facts of one GPU from NVML. */
export interface NvmlGpu {
  /** NVML's index, in the order of PCI addresses. */
  index: number
  uuid?: string
  name?: string
  /** The PCI address as sysfs writes it: `0000:65:00.0`. */
  pciAddress?: string
  /** Total memory, in bytes. */
  memoryTotal?: number
  /** Memory in use, in bytes. Drivers before version 510 include the memory that they reserve for themselves. */
  memoryUsed?: number
  /** Share of the time of the last sample in which the GPU worked, in percent. */
  utilisation?: number
  /** Temperature, in degrees Celsius. */
  temperature?: number
  /** Power, in watts. */
  power?: number
  /** Uncorrected memory errors since the driver was loaded. */
  eccVolatile?: number
  /** Uncorrected memory errors over the life of the GPU. */
  eccAggregate?: number
  /** Whether the GPU is split (multi-instance GPU). Absent for a GPU that cannot be split. */
  mig?: boolean
  /** The parts of a split GPU. */
  migInstances: Array<NvmlMigInstance>
  /** The calls about this GPU that failed. */
  errors: Array<NvmlError>
}

/**
 * The text that stands in a file during each call of a library that may crash the process. After a call, blanks stand in
 * its place.
 */
export interface NvmlMark {
  path: string
  text: string
}

/** One part of a split GPU. */
export interface NvmlMigInstance {
  /** NVML's index within the GPU. */
  index: number
  uuid?: string
  name?: string
  /** Total memory, in bytes. */
  memoryTotal?: number
  /** Memory in use, in bytes. */
  memoryUsed?: number
}

export interface NvmlOptions {
  /** The library: a path, or a name that the dynamic linker finds; `libnvidia-ml.so.1` by default. */
  library?: string
  /**
   * Time for the whole scan, in milliseconds; 10000 by default. Without persistence mode a driver needs a second or more
   * to wake each GPU.
   */
  deadlineMs?: number
  /**
   * Keeps NVML initialised for `nvmlFigures` until the next scan, unless a GPU has a fatal error. Each call of
   * `nvmlFigures` writes this mark.
   */
  hold?: NvmlMark
}

/** The answer of NVML. A fact that it does not give is absent, and `errors` says why. */
export interface NvmlReport {
  /**
   * `answered`: NVML was asked, and `gpus` has its GPUs, perhaps none. `absent`: there is no such library. `failed`: the
   * library cannot be used. `hung`: there was no answer within the deadline, or an earlier call still hangs. `busy`: an
   * earlier call is still within its deadline.
   */
  state: 'answered' | 'absent' | 'failed' | 'hung' | 'busy'
  /** The reason why NVML did not answer, in one sentence. Absent when it answered. */
  reason?: string
  /** The function that hangs, or an empty string when opening the library hangs. Absent unless the state is `hung`. */
  call?: string
  /** Time that this took, in milliseconds. When the state is `hung`, the time for which the call has hung. */
  tookMs: number
  driverVersion?: string
  /** The newest CUDA version that the driver supports, such as `12.4`. */
  cudaVersion?: string
  /** The GPUs by index, at most 256. */
  gpus: Array<NvmlGpu>
  /** The calls about NVML itself that failed. Each GPU has its own errors. */
  errors: Array<NvmlError>
}

/** Reads everything now. Never throws: what a missing source would give is absent, or 0 for swap. */
export declare function sample(): Sample

/** The state of the machine at one moment. Memory is in bytes. */
export interface Sample {
  memoryTotal: number
  /**
   * Memory that programs can get without swapping, including memory that caches hold. Absent where the system does not
   * give it.
   */
  memoryAvailable?: number
  swapTotal: number
  swapFree: number
  /** CPU times since boot. Absent where the system does not give them. */
  cpu?: CpuTimes
  load1: number
  load5: number
  load15: number
  /** Seconds since boot, with fractions. Time during which the machine slept counts. */
  uptime: number
  /** The system's id of this boot. Absent where the system gives none. */
  bootId?: string
}
