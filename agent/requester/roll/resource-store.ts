// The resource store holds the free resources of each node. It is in memory only, so it is empty after a restart.
import type { Usage } from '../../protocol/messages.ts';
import type { Resources } from '../../protocol/resources.ts';
import { type ByteRow, ByteRows, littleEndian } from '../../system/byte-rows.ts';

export interface ResourceInfo {
  available: Resources;
  queued: Resources;
  /** The measured usage; absent for a Bacalhau node. */
  usage: Usage | undefined;
  /** Time when the report was received, on the wall clock. */
  at: Date;
  /** The protocol in which it came. */
  protocol: string;
}

const bytesPerNumber = 8;
/** Where a node's numbers begin in its row. An absent one is NaN. */
const place = { at: 0, protocol: 8, available: 16, usage: 48 } as const;
const bytesPerRow = 80;
/** The members from `available` and from `usage` on, in the order in which they are written. */
const resourceNames = ['CPU', 'Memory', 'Disk', 'GPU'] as const;
const usageNames = ['CPU', 'Memory', 'Disk', 'Load'] as const;

/** What a node reports besides numbers. Most nodes have none of it. */
type Lists = Pick<ResourceInfo, 'queued'> & Pick<Resources, 'GPUs'> & { usageGPUs: Usage['GPUs'] };

/**
 * Every node reports twice a minute. So its numbers are in rows, where a report takes the place of the last one and leaves no
 * garbage.
 */
export class ResourceStore {
  readonly #rows = new ByteRows(bytesPerRow);
  readonly #nodes = new Map<string, number>();
  readonly #lists = new Map<string, Lists>();
  readonly #protocols: string[] = [];

  set(id: string, { available, queued, usage, at, protocol }: ResourceInfo): void {
    const row = this.#rowOf(id);
    write(row, place.at, at.getTime());
    write(row, place.protocol, this.#protocolNumber(protocol));
    writeAll(row, place.available, resourceNames, available);
    writeAll(row, place.usage, usageNames, usage);
    const isPlain = !available.GPUs && !usage?.GPUs && isEmpty(queued);
    if (!isPlain) this.#lists.set(id, { queued, GPUs: available.GPUs, usageGPUs: usage?.GPUs });
    else if (this.#lists.size > 0) this.#lists.delete(id);
  }

  /** Returns the time of the last report, in milliseconds since 1970. It costs less than the report itself. */
  reportedAt(id: string): number | undefined {
    const index = this.#nodes.get(id);
    if (index === undefined) return undefined;
    return read(this.#rows.at(index), place.at);
  }

  get(id: string): ResourceInfo | undefined {
    const index = this.#nodes.get(id);
    if (index === undefined) return undefined;
    const row = this.#rows.at(index);
    const { queued = {}, GPUs, usageGPUs } = this.#lists.get(id) ?? {};
    const usage = readAll(row, place.usage, usageNames) as Partial<Usage>;
    return {
      available: { ...readAll(row, place.available, resourceNames), ...(GPUs ? { GPUs } : {}) },
      queued,
      // A report of usage has all four numbers.
      usage:
        usage.CPU === undefined
          ? undefined
          : ({ ...usage, ...(usageGPUs ? { GPUs: usageGPUs } : {}) } as Usage),
      at: new Date(read(row, place.at)),
      protocol: this.#protocols[read(row, place.protocol)] ?? '',
    };
  }

  /** Forgets a node that is no longer on the roll. */
  onRemoved(id: string): void {
    const index = this.#nodes.get(id);
    if (index === undefined) return;
    this.#rows.remove(index);
    this.#nodes.delete(id);
    this.#lists.delete(id);
  }

  #rowOf(id: string): ByteRow {
    let index = this.#nodes.get(id);
    if (index === undefined) {
      index = this.#rows.add();
      this.#nodes.set(id, index);
    }
    return this.#rows.at(index);
  }

  // The requester speaks only a few protocols, and names them itself.
  #protocolNumber(protocol: string): number {
    const known = this.#protocols.indexOf(protocol);
    return known >= 0 ? known : this.#protocols.push(protocol) - 1;
  }
}

function write({ view, at }: ByteRow, place: number, value: number): void {
  view.setFloat64(at + place, value, littleEndian);
}

const read = ({ view, at }: ByteRow, place: number): number => view.getFloat64(at + place, littleEndian);

function writeAll<K extends string>(
  row: ByteRow,
  first: number,
  names: readonly K[],
  values: { readonly [name in K]?: number | undefined } | undefined,
): void {
  for (let index = 0; index < names.length; index++)
    write(row, first + index * bytesPerNumber, values?.[names[index] as K] ?? Number.NaN);
}

function readAll<K extends string>(
  row: ByteRow,
  first: number,
  names: readonly K[],
): { [name in K]?: number } {
  const values: { [name in K]?: number } = {};
  names.forEach((name, index) => {
    const value = read(row, first + index * bytesPerNumber);
    if (!Number.isNaN(value)) values[name] = value;
  });
  return values;
}

function isEmpty(value: object): boolean {
  for (const _ in value) return false;
  return true;
}
