// Shows the GPUs of a node in one cell: how many of which, how busy they are, and their memory.
import type { RollGpu, RollGpuUse, RollRow } from '../../protocol/roll-rows.ts';
import { Bar } from './bar.tsx';

export function GpuCell({ gpus, gpuUse }: Pick<RollRow, 'gpus' | 'gpuUse'>) {
  if (gpus.length === 0) return null;
  const uses = gpuUse.filter(use => use !== null);
  const busy = meanOf(uses.map(({ utilisation }) => utilisation));
  const usedMib = sumOf(uses.map(({ memoryMib }) => memoryMib));
  const totalMib = sumOf(gpus.map(({ memoryMib }) => memoryMib)) ?? 0;
  const memory = `${usedMib === undefined ? '' : `${gib(usedMib)}/`}${gib(totalMib)} GiB`;
  const percent = busy === undefined ? '' : `${Math.round(busy)} %`;
  return (
    <Bar
      shares={[(busy ?? 0) / 100, totalMib > 0 ? (usedMib ?? 0) / totalMib : 0]}
      text={[gpuNames(gpus), percent, memory].filter(Boolean).join('  ')}
      title={gpus.map((gpu, index) => gpuText(gpu, gpuUse[index] ?? null)).join('\n')}
    />
  );
}

/** Returns the names of GPUs without what every GPU of the vendor is called: `2×A100`. */
function gpuNames(gpus: readonly RollGpu[]): string {
  const names = new Set(
    gpus.map(({ name }) =>
      oneLine(name)
        .replaceAll(makers, '')
        .replace(/-(?:SXM|PCIE).*$/i, ''),
    ),
  );
  const [name = ''] = names;
  const count = gpus.length > 1 ? `${gpus.length}×` : '';
  return names.size > 1 ? `${gpus.length} GPUs` : `${count}${name}`;
}

const makers = /(?:NVIDIA|AMD|Intel)(?:\(R\))? |GeForce |Tesla /g;

function gpuText({ index, name, memoryMib }: RollGpu, use: RollGpuUse | null): string {
  const parts = [
    use?.utilisation == null ? '' : `${use.utilisation} %`,
    `${use?.memoryMib == null ? '' : `${gib(use.memoryMib)} of `}${gib(memoryMib)} GiB`,
    use?.temperature == null ? '' : `${use.temperature} °C`,
    use?.power == null ? '' : `${Math.round(use.power)} W`,
  ];
  return `${index}: ${oneLine(name)}, ${parts.filter(Boolean).join(', ')}`;
}

/** A name is whatever the node sends, and another line would look like another GPU. */
const oneLine = (name: string): string => name.replace(/[\s\u0085]+/g, ' ');

const gib = (mib: number): string =>
  String(mib < 10_240 ? Math.round(mib / 102.4) / 10 : Math.round(mib / 1024));

/** Returns the sum of the numbers that are known; undefined when none is. */
function sumOf(numbers: readonly (number | null)[]): number | undefined {
  const known = numbers.filter(number => number !== null);
  return known.length === 0 ? undefined : known.reduce((sum, number) => sum + number, 0);
}

function meanOf(numbers: readonly (number | null)[]): number | undefined {
  const sum = sumOf(numbers);
  return sum === undefined ? undefined : sum / numbers.filter(number => number !== null).length;
}
