// The hardware that the operator says is there, against what was found (as Slurm's gres.conf is checked).
import type { Gpu } from '../protocol/resources.ts';
import { formatSize } from './values/size.ts';

/** What a machine should have at least; absent members are not checked. */
export interface Declared {
  /** Logical CPUs. */
  cpu?: number | undefined;
  /** Bytes. */
  memory?: number | undefined;
  /** Bytes of the data folder's file system. */
  disk?: number | undefined;
  gpu?: number | undefined;
  /** A part of each GPU's name, in any case: `H100`. */
  gpuName?: string | undefined;
  /** Bytes of each GPU. */
  gpuMemory?: number | undefined;
}

/** What was found. Bytes; absent members were not found out. */
export interface Found {
  cpu: number;
  memory: number;
  disk?: number | undefined;
  /** Those that can be used. */
  gpus: readonly Gpu[];
}

export interface Mismatches {
  /** Sentences about GPUs that should be there. */
  gpus: string[];
  /** Sentences about the rest. */
  others: string[];
}

/**
 * Firmware, drivers and file systems keep a part for themselves: a machine sold with 256 GiB shows 251. More than a twentieth
 * less is a part that is missing.
 */
const kept = 0.95;

/** What is missing of `declared`. More than declared is never a mismatch. */
export function mismatches(declared: Declared, found: Found): Mismatches {
  const others: string[] = [];
  const size = (name: string, wanted: number | undefined, there: number | undefined) => {
    if (wanted === undefined || there === undefined || there >= wanted * kept) return;
    others.push(`${name}: ${formatSize(wanted)} declared, ${formatSize(there)} found`);
  };
  if (declared.cpu !== undefined && found.cpu < declared.cpu) {
    others.push(`CPUs: ${declared.cpu} declared, ${found.cpu} found`);
  }
  size('memory', declared.memory, found.memory);
  size('disk', declared.disk, found.disk);
  return { gpus: missingGpus(declared, found.gpus), others };
}

function missingGpus({ gpu, gpuName, gpuMemory }: Declared, gpus: readonly Gpu[]): string[] {
  const named = (candidate: Gpu) =>
    gpuName === undefined || candidate.Name.toLowerCase().includes(gpuName.toLowerCase());
  // A GPU of unknown memory is not held to be a small one.
  const large = ({ Memory }: Gpu) =>
    gpuMemory === undefined || Memory === 0 || Memory * 1_048_576 >= gpuMemory * kept;
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
