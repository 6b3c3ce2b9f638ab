// Makes every source of facts hang that an agent asks about its machine, and proves that each was asked.
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { buildFakeNvml, buildHungFiles } from './c-library.ts';
import { probeMissing } from './native-probe.ts';
import type { AgentOptions } from './roles.ts';

type Surroundings = Required<Pick<AgentOptions, 'env' | 'standIns'>>;

export class HungProbes {
  /** The value of the setting `node.nvmlLibrary`. */
  readonly nvmlLibrary: string;
  /** Environment and stand-ins with which sources hang. */
  readonly hanging: Surroundings;
  /** The same surroundings, in which every source answers. */
  readonly answering: Surroundings;
  readonly #trace: string;
  readonly #paths: string;

  /**
   * Builds the libraries in `folder`.
   * @throws Error with the reason when it cannot.
   */
  static async in(folder: string): Promise<HungProbes> {
    if (process.platform !== 'linux') throw new Error('sources can be made to hang on Linux only');
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
   * Makes all files under `folder`, the agent's data folder, hang from now on. They cannot hang earlier, because no agent
   * starts on a disk that hangs. The library, the tools and the inventory hang from the start. The files of the kernel
   * begin to hang when the tools have been asked: if too many files hang, the agent asks for no others and searches no
   * tools.
   */
  async hangFiles(folder: string): Promise<void> {
    await this.#hangPaths(folder);
    const allAsked = async () => {
      const trace = await this.#readTrace();
      return ['disk', 'nvidia-smi', 'rocm-smi', 'xpu-smi'].every(name => marks[name]?.test(trace));
    };
    await eventually('the disk and the tools are asked', allAsked, 60_000);
    await this.#hangPaths(folder, '/sys/bus/pci', '/sys/module', '/proc/driver/nvidia');
  }

  /**
   * Returns the names of the sources that were asked and hung.
   * @throws Error when a source was not asked at all.
   */
  async proof(): Promise<string> {
    const trace = await this.#readTrace();
    const expected = Object.entries(marks).filter(([name]) => name !== 'NVML' || !probeMissing);
    const missing = expected.filter(([, mark]) => !mark.test(trace)).map(([name]) => name);
    if (missing.length > 0) throw new Error(`these sources were not asked: ${missing.join(', ')}`);
    return expected.map(([name]) => name).join(', ');
  }

  async #hangPaths(...paths: string[]): Promise<void> {
    await writeFile(`${this.#paths}.new`, paths.join('\n'));
    await rename(`${this.#paths}.new`, this.#paths);
  }

  #readTrace(): Promise<string> {
    return readFile(this.#trace, 'utf8').catch(() => '');
  }
}

/** For each source, the text that the trace contains when the source was asked. */
const marks: Readonly<Record<string, RegExp>> = {
  NVML: /^nvmlInit_v2$/m,
  'nvidia-smi': /^nvidia-smi$/m,
  'rocm-smi': /^rocm-smi$/m,
  'xpu-smi': /^xpu-smi$/m,
  inventory: /^inventory$/m,
  '/proc or /sys': /^\w+ \/(?:proc|sys)\//m,
  disk: /^statv?fs /m,
};
