// Compares the hardware that the operator declares with the hardware that was found. Slurm checks its gres.conf in the same
// way.
import type { Gpu } from '../protocol/resources.ts';
import { formatSize } from './values/size.ts';

/** The least hardware that a machine should have: the settings `node.declared`. Absent members are not checked. */
export interface Declared {
  /** Number of logical CPUs. */
  cpu?: number | undefined;
  /** Memory, in bytes. */
  memory?: number | undefined;
  /** Size of the data folder's file system, in bytes. */
  disk?: number | undefined;
  /** Number of GPUs. */
  gpu?: number | undefined;
  /** A part of each GPU's name, in upper or lower case, such as `H100`. */
  gpuName?: string | undefined;
  /** Memory of each GPU, in bytes. */
  gpuMemory?: number | undefined;
}

/** The hardware that was found. */
export interface FoundHardware {
  cpus: number;
  memoryBytes: number;
  /** Size of the data folder's file system, in bytes. It is not checked while it is unknown. */
  diskBytes?: number | undefined;
  /** The usable GPUs. */
  gpus: readonly Gpu[];
}

export interface Mismatches {
  /** One sentence for each mismatch of GPUs. */
  gpus: string[];
  /** One sentence for each other mismatch. */
  others: string[];
}

/**
 * The share of a declared size that must be there. Firmware, drivers and file systems reserve a part: a machine sold with
 * 256 GiB shows 251.
 */
const requiredShare = 0.95;

/** Returns what is missing from `declared`. More hardware than declared is never a mismatch. */
export function mismatches(declared: Declared, found: FoundHardware): Mismatches {
  const others: string[] = [];
  const checkSize = (name: string, declaredBytes: number | undefined, foundBytes: number | undefined) => {
    if (declaredBytes === undefined || foundBytes === undefined) return;
    if (foundBytes >= declaredBytes * requiredShare) return;
    others.push(`${name}: ${formatSize(declaredBytes)} declared, ${formatSize(foundBytes)} found`);
  };
  if (declared.cpu !== undefined && found.cpus < declared.cpu) {
    others.push(`CPUs: ${declared.cpu} declared, ${found.cpus} found`);
  }
  checkSize('memory', declared.memory, found.memoryBytes);
  checkSize('disk', declared.disk, found.diskBytes);
  return { gpus: missingGpus(declared, found.gpus), others };
}

function missingGpus({ gpu, gpuName, gpuMemory }: Declared, gpus: readonly Gpu[]): string[] {
  const named = (candidate: Gpu) =>
    gpuName === undefined || candidate.Name.toLowerCase().includes(gpuName.toLowerCase());
  // A GPU whose memory is unknown counts as large enough.
  const large = ({ Memory }: Gpu) =>
    gpuMemory === undefined || Memory === 0 || Memory * 1_048_576 >= gpuMemory * requiredShare;
  const fit = gpus.filter(candidate => named(candidate) && large(candidate));
  const kind = [gpuName, gpuMemory === undefined ? undefined : `of ${formatSize(gpuMemory)}`]
    .filter(Boolean)
    .join(' ');
  const words = kind ? ` (${kind})` : '';
  if (gpu !== undefined) {
    const wanted = gpu === 1 ? '1 GPU' : `${gpu} GPUs`;
    return fit.length < gpu ? [`${wanted}${words} declared, ${fit.length} found`] : [];
  }
  const wrong = gpus.length - fit.length;
  return wrong > 0 ? [`${wrong} of ${gpus.length} GPUs are not as declared${words}`] : [];
}
