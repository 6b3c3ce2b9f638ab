// Surroundings of an agent in which nothing answers that it asks about its machine, and proof of what did not.
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { buildFakeNvml, buildHungFiles } from './c-library.ts';
import { probeMissing } from './native-probe.ts';
import type { AgentOptions } from './roles.ts';

type Surroundings = Required<Pick<AgentOptions, 'env' | 'standIns'>>;

export class HungProbes {
  /** For `node.nvmlLibrary`. */
  readonly nvmlLibrary: string;
  readonly hanging: Surroundings;
  /** The same, and everything answers. */
  readonly answering: Surroundings;
  readonly #trace: string;
  readonly #paths: string;

  /** Builds what it takes, in `folder`. Throws an Error that says why when it cannot. */
  static async in(folder: string): Promise<HungProbes> {
    if (process.platform !== 'linux') throw new Error('what hangs is made for Linux');
    const [nvml, files] = await Promise.all([buildFakeNvml(folder), buildHungFiles(folder)]);
    return new HungProbes(folder, nvml, files);
  }

  private constructor(folder: string, nvml: string, files: string) {
    this.nvmlLibrary = nvml;
    const trace = join(folder, 'trace');
    this.#trace = trace;
    this.#paths = join(folder, 'paths');
    this.answering = { env: { LD_PRELOAD: files, HANG: '', FAKE_NVML: 'gpus=1' }, standIns: {} };
    this.hanging = {
      env: {
        LD_PRELOAD: files,
        HANG: this.#paths,
        HANG_TRACE: trace,
        FAKE_NVML: `gpus=1 hang=nvmlInit_v2 until=/never trace=${trace}`,
      },
      standIns: { inventory: 'hangs', tools: 'hang', trace },
    };
  }

  /**
   * Library, tools and inventory hang from the start, and from now on all under `folder`, the agent's own: no agent starts on
   * a disk that hangs. The kernel's files follow when the tools have been asked for: where too many files hang, the agent asks
   * for no more, nor looks for tools.
   */
  async hangFiles(folder: string): Promise<void> {
    await this.#hang(folder);
    const asked = async () => {
      const trace = await this.#traced();
      return ['disk', 'nvidia-smi', 'rocm-smi', 'xpu-smi'].every(name => marks[name]?.test(trace));
    };
    await eventually('the disk is asked, and the tools are', asked, 60_000);
    await this.#hang(folder, '/sys/bus/pci', '/sys/module', '/proc/driver/nvidia');
  }

  /** What has been asked and hung, in a few words. Throws an Error when anything was not asked at all. */
  async proof(): Promise<string> {
    const trace = await this.#traced();
    const expected = Object.entries(marks).filter(([name]) => name !== 'NVML' || !probeMissing);
    const missing = expected.filter(([, mark]) => !mark.test(trace)).map(([name]) => name);
    if (missing.length > 0) throw new Error(`nothing hung when it came to ${missing.join(', ')}`);
    return expected.map(([name]) => name).join(', ');
  }

  async #hang(...paths: string[]): Promise<void> {
    await writeFile(`${this.#paths}.new`, paths.join('\n'));
    await rename(`${this.#paths}.new`, this.#paths);
  }

  #traced(): Promise<string> {
    return readFile(this.#trace, 'utf8').catch(() => '');
  }
}

/** What the trace says of each. */
const marks: Readonly<Record<string, RegExp>> = {
  NVML: /^nvmlInit_v2$/m,
  'nvidia-smi': /^nvidia-smi$/m,
  'rocm-smi': /^rocm-smi$/m,
  'xpu-smi': /^xpu-smi$/m,
  inventory: /^inventory$/m,
  '/proc or /sys': /^\w+ \/(?:proc|sys)\//m,
  disk: /^statv?fs /m,
};
