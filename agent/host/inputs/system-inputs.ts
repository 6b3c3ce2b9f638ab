// Answers the questions of inputs.ts by asking this machine. A file, a tool or a library that hangs cannot stop the agent.
import { readdir, readlink } from 'node:fs/promises';
import { type Clock, systemClock } from '../../system/clock.ts';
import { readSystemFile } from '../../system/read-file.ts';
import { type ChildCommand, type Inventory, InventoryError, takeInventory } from '../inventory/inventory.ts';
import {
  type Cgroup,
  type LoadedProbe,
  loadProbe,
  type NvmlAnswer,
  type NvmlFigures,
  type NvmlMark,
} from '../native/native-probe.ts';
import { type DiskSpace, readDiskSpace } from './disk-space.ts';
import { HangLimiter } from './hang-limiter.ts';
import type { Answer, Inputs, MetadataRequest, OsInfo, PciNames, Tool, ToolOutput } from './inputs.ts';
import { askMetadata } from './metadata.ts';
import { readOsInfo } from './os-info.ts';
import { findPciNames } from './pci-ids.ts';
import { ToolRunner } from './tool.ts';

export interface SystemInputsOptions {
  /** The data folder. Its file system is the disk that is offered. */
  folder: string;
  inventoryCommand: ChildCommand;
  /** NVIDIA's library: a path, or a name for the dynamic linker. The default is its usual name. */
  nvmlLibrary?: string | undefined;
  /** Wraps each call of a library that may crash this process, see gpu/crash-guard.ts. */
  guard?: <T>(call: () => Promise<T>) => Promise<T>;
  /**
   * Returns the mark that is on the disk during each call of `nvmlFigures`. With it the library stays open between calls,
   * which `nvmlFigures` needs.
   */
  hold?: () => NvmlMark;
  probe?: LoadedProbe;
  /**
   * Time that a driver may take, in milliseconds; 15 s by default, because it may need a second or more to wake each GPU.
   */
  driverTimeoutMs?: number;
  clock?: Clock;
}

const timeoutsMs = { file: 2000, space: 1000, inventory: 10_000, metadata: 1000 };

export class SystemInputs implements Inputs {
  readonly #options: SystemInputsOptions;
  readonly #clock: Clock;
  readonly #driverTimeoutMs: number;
  readonly #space: HangLimiter;
  readonly #files: HangLimiter;
  readonly #inventory: HangLimiter;
  readonly #nvml: HangLimiter;
  readonly #tools: ToolRunner;
  readonly #ending = new AbortController();
  /** Names that were found. The database is large and does not change, so it is read only once for each id. */
  readonly #pciNames = new Map<string, PciNames>();
  /** The native probe, or the reason why there is none. */
  readonly probe: LoadedProbe;

  constructor(options: SystemInputsOptions) {
    const { clock = systemClock, driverTimeoutMs = 15_000 } = options;
    this.#options = options;
    this.#driverTimeoutMs = driverTimeoutMs;
    this.#clock = clock;
    this.#space = new HangLimiter({ timeoutMs: timeoutsMs.space + 100, maxHung: 1, clock });
    this.#files = new HangLimiter({ timeoutMs: timeoutsMs.file, maxHung: 2, clock });
    this.#inventory = new HangLimiter({ timeoutMs: timeoutsMs.inventory + 1000, maxHung: 1, clock });
    // This is a second more than the time limit of the native probe. So the probe ends first, and can say what hangs.
    this.#nvml = new HangLimiter({ timeoutMs: driverTimeoutMs + 1000, maxHung: 1, clock });
    this.#tools = new ToolRunner({
      timeoutMs: driverTimeoutMs,
      signal: this.#ending.signal,
      clock,
      hangLimiter: this.#files,
    });
    this.probe = options.probe ?? loadProbe();
  }

  now(): Date {
    return this.#clock.now();
  }

  system(): OsInfo {
    return readOsInfo();
  }

  async file(path: string): Promise<Answer<string>> {
    return this.#files.ask(path, async () => {
      const data = await readSystemFile(path);
      if (!data) throw notThere();
      return data.toString('utf8').replace(/\n$/, '');
    });
  }

  async folder(path: string): Promise<Answer<readonly string[]>> {
    return this.#files.ask(path, async () => (await readdir(path)).sort());
  }

  async link(path: string): Promise<Answer<string>> {
    return this.#files.ask(path, () => readlink(path));
  }

  run(tool: Tool, args: readonly string[]): Promise<Answer<ToolOutput>> {
    return this.#tools.run(tool, args);
  }

  async nvml(): Promise<Answer<NvmlAnswer>> {
    const { probe } = this.probe;
    if (!probe) return absentFault(`cannot be asked, because the native probe ${this.probe.reason}`);
    const { nvmlLibrary, hold, guard = call => call() } = this.#options;
    const options = {
      deadlineMs: this.#driverTimeoutMs,
      ...(nvmlLibrary === undefined ? {} : { library: nvmlLibrary }),
      ...(hold ? { hold: hold() } : {}),
    };
    const { value, fault, took } = await this.#nvml.ask('nvml', () => guard(() => probe.gpusNvml(options)));
    if (!value) return { ...(fault ? { fault } : {}), took };
    const { state, reason = state, call, driverVersion, cudaVersion, gpus, errors } = value;
    // When the library cannot count the GPUs, there may be GPUs. So this is a fault.
    const uncounted = errors.find(({ call }) => gpus.length === 0 && call.startsWith('nvmlDeviceGetCount'));
    if (uncounted) {
      const { call, error } = uncounted;
      return { fault: { kind: 'failed', reason: `failed: ${call}: ${error}` }, took };
    }
    if (state === 'answered') return { value: { driverVersion, cudaVersion, gpus }, took };
    // A library that the operator named must be there, so its absence is a failure.
    if (state === 'absent' && nvmlLibrary === undefined) return { ...absentFault('is not there'), took };
    // The text does not say when the hang began, because a changed reason is sent and stored as a change of the node.
    if (state === 'hung')
      return { fault: { kind: 'late', reason: `hangs ${call ? `in ${call}` : 'as it is opened'}` }, took };
    if (state === 'busy') return { fault: { kind: 'late', reason }, took };
    return { fault: { kind: 'failed', reason: `failed: ${reason}` }, took };
  }

  async nvmlFigures(): Promise<Answer<readonly NvmlFigures[]>> {
    const { probe } = this.probe;
    const began = this.#clock.monotonic();
    const took = () => this.#clock.monotonic() - began;
    const figures = this.#options.hold ? await probe?.nvmlFigures(this.#driverTimeoutMs) : undefined;
    if (!figures) return { ...absentFault('needs a scan'), took: took() };
    return { value: figuresOf(figures), took: took() };
  }

  async cgroup(): Promise<Answer<Cgroup>> {
    const { probe } = this.probe;
    if (!probe) return absentFault(`cannot be asked, because the native probe ${this.probe.reason}`);
    const began = this.#clock.monotonic();
    const value = probe.cgroup();
    return { value, took: this.#clock.monotonic() - began };
  }

  async space(): Promise<Answer<DiskSpace>> {
    const { probe } = this.probe;
    // Without the native probe the question uses one of Node's file threads, so it has the same limit as files.
    const limiter = probe ? this.#space : this.#files;
    return limiter.ask(`the room in ${this.#options.folder}`, () =>
      readDiskSpace(this.#options.folder, timeoutsMs.space, probe),
    );
  }

  inventory(): Promise<Answer<Inventory>> {
    const { inventoryCommand } = this.#options;
    const { signal } = this.#ending;
    const options = { timeoutMs: timeoutsMs.inventory, signal, clock: this.#clock };
    return this.#inventory.ask('inventory', async () => {
      try {
        return await takeInventory(inventoryCommand, options);
      } catch (error) {
        const slow = error instanceof InventoryError && error.fault === 'timeout';
        throw slow ? Object.assign(error, { code: 'ETIMEDOUT' }) : error;
      }
    });
  }

  async metadata(request: MetadataRequest): Promise<Answer<string>> {
    const began = this.#clock.monotonic();
    const answer = await askMetadata(request, timeoutsMs.metadata);
    return { ...answer, took: this.#clock.monotonic() - began };
  }

  async pciNames(id: string): Promise<Answer<PciNames>> {
    const known = this.#pciNames.get(id);
    if (known) return { value: known, took: 0 };
    const answer = await this.#files.ask(`the PCI id ${id}`, async () => {
      const names = await findPciNames(id);
      if (!names) throw notThere();
      return names;
    });
    if (answer.value) this.#pciNames.set(id, answer.value);
    return answer;
  }

  /** Ends the child processes that may be running. Called when the agent stops or `muster probe` ends. */
  close(): void {
    this.#ending.abort();
  }
}

const notThere = () => Object.assign(new Error('not there'), { code: 'ENOENT' });
const absentFault = (reason: string) => ({ fault: { kind: 'absent', reason } as const, took: 0 });

// The native probe returns a flat list with four numbers for each GPU.
function figuresOf(numbers: readonly number[]): NvmlFigures[] {
  const at = (place: number) => numbers[place] ?? Number.NaN;
  const all: NvmlFigures[] = [];
  for (let place = 0; place + 3 < numbers.length; place += 4)
    all.push({
      memoryUsed: at(place),
      utilisation: at(place + 1),
      temperature: at(place + 2),
      power: at(place + 3),
    });
  return all;
}
