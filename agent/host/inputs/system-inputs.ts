// The inputs of this very machine: files, tools and libraries, none of which can hold up the agent.
import { readdir, readlink } from 'node:fs/promises';
import { type Clock, systemClock } from '../../system/clock.ts';
import { readBounded } from '../../system/files.ts';
import { type ChildCommand, type Inventory, InventoryError, takeInventory } from '../inventory/inventory.ts';
import {
  type Cgroup,
  type LoadedProbe,
  loadProbe,
  type NvmlAnswer,
  type NvmlFigures,
  type NvmlMark,
} from '../native/native-probe.ts';
import { readDiskSpace, type Space } from '../sample/disk.ts';
import { HangLimiter } from './hang-limiter.ts';
import type { Answer, Inputs, MetadataRequest, OsInfo, PciNames, Tool, ToolOutput } from './inputs.ts';
import { askMetadata } from './metadata.ts';
import { readOsInfo } from './os-info.ts';
import { pciNames } from './pci-ids.ts';
import { ToolRunner } from './tool.ts';

export interface SystemInputsOptions {
  /** The folder whose file system counts. */
  folder: string;
  inventoryCommand: ChildCommand;
  /** The NVIDIA library, a path or a name for the dynamic linker; its own name unless told. */
  nvmlLibrary?: string | undefined;
  /** Wraps each call of a library that may end the process, see gpu/crash-guard.ts. */
  guard?: <T>(call: () => Promise<T>) => Promise<T>;
  /** The library is held between two questions for `nvmlFigures`, each of which leaves this mark while it calls. */
  hold?: () => NvmlMark;
  probe?: LoadedProbe;
  /** Milliseconds that a driver may take; 15 s unless told: it needs a second or more for each GPU that it must wake. */
  driverDeadline?: number;
  clock?: Clock;
}

/** Milliseconds. */
const deadlines = { file: 2000, space: 1000, inventory: 10_000, metadata: 1000 };

export class SystemInputs implements Inputs {
  readonly #options: SystemInputsOptions;
  readonly #clock: Clock;
  readonly #driverDeadline: number;
  readonly #space: HangLimiter;
  readonly #files: HangLimiter;
  readonly #inventory: HangLimiter;
  readonly #nvml: HangLimiter;
  readonly #tools: ToolRunner;
  readonly #ending = new AbortController();
  /** The database is large and does not change, so it is read once for each id. */
  readonly #pciNames = new Map<string, PciNames>();
  /** How the native probe was loaded. */
  readonly probe: LoadedProbe;

  constructor(options: SystemInputsOptions) {
    const { clock = systemClock, driverDeadline = 15_000 } = options;
    this.#options = options;
    this.#driverDeadline = driverDeadline;
    this.#clock = clock;
    this.#space = new HangLimiter({ deadline: deadlines.space + 100, maxHung: 1, clock });
    this.#files = new HangLimiter({ deadline: deadlines.file, maxHung: 2, clock });
    this.#inventory = new HangLimiter({ deadline: deadlines.inventory + 1000, maxHung: 1, clock });
    // A second later than the library's own deadline, so that this one never ends a call that is not given up.
    this.#nvml = new HangLimiter({ deadline: driverDeadline + 1000, maxHung: 1, clock });
    this.#tools = new ToolRunner({
      deadline: driverDeadline,
      signal: this.#ending.signal,
      clock,
      patience: this.#files,
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
      const data = await readBounded(path);
      if (!data) throw absent();
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
    if (!probe) return nothing(`cannot be asked, as the native probe ${this.probe.reason}`);
    const { nvmlLibrary, hold, guard = call => call() } = this.#options;
    const options = {
      deadlineMs: this.#driverDeadline,
      ...(nvmlLibrary === undefined ? {} : { library: nvmlLibrary }),
      ...(hold ? { hold: hold() } : {}),
    };
    const { value, fault, took } = await this.#nvml.ask('nvml', () => guard(() => probe.gpusNvml(options)));
    if (!value) return { ...(fault ? { fault } : {}), took };
    const { state, reason = state, call, driverVersion, cudaVersion, gpus, errors } = value;
    // One that cannot count its GPUs has not said that there are none.
    const uncounted = errors.find(({ call }) => gpus.length === 0 && call.startsWith('nvmlDeviceGetCount'));
    if (uncounted) {
      const { call, error } = uncounted;
      return { fault: { kind: 'failed', reason: `failed: ${call}: ${error}` }, took };
    }
    if (state === 'answered') return { value: { driverVersion, cudaVersion, gpus }, took };
    // A library that the operator named should be there.
    if (state === 'absent' && nvmlLibrary === undefined) return { ...nothing('is not there'), took };
    // How long it has hung by now is left out: a reason that changes is news.
    if (state === 'hung')
      return { fault: { kind: 'late', reason: `hangs ${call ? `in ${call}` : 'as it is opened'}` }, took };
    if (state === 'busy') return { fault: { kind: 'late', reason }, took };
    return { fault: { kind: 'failed', reason: `failed: ${reason}` }, took };
  }

  async nvmlFigures(): Promise<Answer<readonly NvmlFigures[]>> {
    const { probe } = this.probe;
    const began = this.#clock.monotonic();
    const took = () => this.#clock.monotonic() - began;
    const figures = this.#options.hold ? await probe?.nvmlFigures(this.#driverDeadline) : undefined;
    if (!figures) return { ...nothing('takes a look'), took: took() };
    return { value: figuresOf(figures), took: took() };
  }

  async cgroup(): Promise<Answer<Cgroup>> {
    const { probe } = this.probe;
    if (!probe) return nothing(`cannot be asked, as the native probe ${this.probe.reason}`);
    const began = this.#clock.monotonic();
    const value = probe.cgroup();
    return { value, took: this.#clock.monotonic() - began };
  }

  async space(): Promise<Answer<Space>> {
    const { probe } = this.probe;
    // Without the probe it counts among the files, as it takes one of the threads that they take.
    const patience = probe ? this.#space : this.#files;
    return patience.ask(`the room in ${this.#options.folder}`, () =>
      readDiskSpace(this.#options.folder, deadlines.space, probe),
    );
  }

  inventory(): Promise<Answer<Inventory>> {
    const { inventoryCommand } = this.#options;
    const { signal } = this.#ending;
    const options = { deadline: deadlines.inventory, signal, clock: this.#clock };
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
    const answer = await askMetadata(request, deadlines.metadata);
    return { ...answer, took: this.#clock.monotonic() - began };
  }

  async pciNames(id: string): Promise<Answer<PciNames>> {
    const known = this.#pciNames.get(id);
    if (known) return { value: known, took: 0 };
    const answer = await this.#files.ask(`the PCI id ${id}`, async () => {
      const names = await pciNames(id);
      if (!names) throw absent();
      return names;
    });
    if (answer.value) this.#pciNames.set(id, answer.value);
    return answer;
  }

  /** Ends the processes that may be running. */
  close(): void {
    this.#ending.abort();
  }
}

const absent = () => Object.assign(new Error('not there'), { code: 'ENOENT' });
const nothing = (reason: string) => ({ fault: { kind: 'absent', reason } as const, took: 0 });

// Four for each GPU.
function figuresOf(figures: readonly number[]): NvmlFigures[] {
  const all: NvmlFigures[] = [];
  for (let place = 0; place + 3 < figures.length; place += 4) {
    const [memoryUsed = Number.NaN, utilisation = Number.NaN, temperature = Number.NaN, power = Number.NaN] =
      figures.slice(place, place + 4);
    all.push({ memoryUsed, utilisation, temperature, power });
  }
  return all;
}
