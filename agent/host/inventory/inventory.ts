// The slow inventory consists of the facts that only `systeminformation` finds. A short-lived child reads them, and a file
// stores them.
import { join } from 'node:path';
import * as v from 'valibot';
import { startChild } from '../../system/child.ts';
import type { Clock } from '../../system/clock.ts';
import { writeFileAtomic } from '../../system/files.ts';
import { printable } from '../../system/printable.ts';
import { readBounded } from '../../system/read-file.ts';
import { tidy } from '../values/tidy.ts';

const text = v.optional(
  v.pipe(
    v.string(),
    v.maxLength(1024),
    v.transform(value => tidy(value)),
  ),
);
const positive = v.optional(v.pipe(v.number(), v.finite(), v.minValue(0)));
const count = v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)));

/**
 * The inventory as the child prints it. Its file and recordings have the same form, so the names of members do not
 * change.
 */
export const inventorySchema = v.object({
  /** Time when it was read, RFC 3339. */
  takenAt: v.pipe(v.string(), v.isoTimestamp()),
  cpu: v.object({
    manufacturer: text,
    brand: text,
    /** Clock speed, in GHz. */
    speed: positive,
    physicalCores: count,
  }),
  /** Total memory, in bytes. */
  memory: count,
  /** Size of all fixed disks together, in bytes. Absent when disks cannot be distinguished from partitions. */
  disk: count,
  os: v.object({ distro: text, release: text, kernel: text }),
  /** The hypervisor, such as `KVM`, or `virtual` for a hypervisor without a name, or `none` for a real machine. */
  virtualisation: text,
  manufacturer: text,
  model: text,
  /** The GPUs of macOS. On other systems the files in gpu/ find more, and are faster. */
  graphics: v.optional(
    v.pipe(
      v.array(
        v.object({
          vendor: text,
          model: text,
          /** The GPU's own memory, in MiB. Absent for a GPU that uses the machine's memory. */
          memory: count,
          cores: count,
        }),
      ),
      v.maxLength(64),
    ),
  ),
});

export type Inventory = v.InferOutput<typeof inventorySchema>;

/** The command that starts this program's hidden inventory command. `command` is an absolute path. */
export interface ChildCommand {
  command: string;
  args: string[];
}

export type InventoryFault =
  | 'not_started'
  | 'timeout'
  | 'crashed'
  | 'too_long'
  | 'malformed'
  /** The caller's signal aborted. */
  | 'stopped';

/** Says why a new inventory could not be taken. The previous one stays valid. */
export class InventoryError extends Error {
  override readonly name = 'InventoryError';
  readonly fault: InventoryFault;

  constructor(fault: InventoryFault, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.fault = fault;
  }
}

export interface TakeOptions {
  /** Time that the child may run, in milliseconds; 10 s by default. */
  timeoutMs?: number;
  /** Ends the child at once, for a clean stop. */
  signal?: AbortSignal;
  clock?: Clock;
}

const outputLimitBytes = 262_144;

/**
 * Takes the inventory in a child process. The child and all processes that it started are killed when it takes too long,
 * when it prints too much, or when the signal aborts. @throws InventoryError; nothing else.
 */
export async function takeInventory(child: ChildCommand, options: TakeOptions = {}): Promise<Inventory> {
  return parse(await outputOf(child, options));
}

/**
 * Loads the inventory that was saved in `folder`. Returns undefined when there is none. @throws InventoryError
 * `malformed` when the file contains no inventory, MusterError `bad_state` when it cannot be read.
 */
export async function loadInventory(folder: string): Promise<Inventory | undefined> {
  const data = await readBounded(pathIn(folder), outputLimitBytes);
  return data && parse(data.toString('utf8'));
}

/** Saves `inventory` in `folder`, readable by its owner only. @throws MusterError `not_writable`. */
export async function saveInventory(folder: string, inventory: Inventory): Promise<void> {
  await writeFileAtomic(pathIn(folder), `${JSON.stringify(inventory, null, 2)}\n`, 0o600);
}

const pathIn = (folder: string) => join(folder, 'inventory.json');

function parse(text: string): Inventory {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new InventoryError('malformed', 'the inventory is not JSON', { cause });
  }
  const result = v.safeParse(inventorySchema, value, { abortEarly: true });
  if (result.success) return result.output;
  const field = v.getDotPath(result.issues[0]) ?? 'the document';
  throw new InventoryError('malformed', `the inventory is not as expected: ${field} is wrong`);
}

async function outputOf(
  { command, args }: ChildCommand,
  { timeoutMs = 10_000, signal, clock }: TakeOptions,
): Promise<string> {
  const outcome = await startChild(command, args, { timeoutMs, outputLimitBytes, signal, clock }).outcome;
  switch (outcome.kind) {
    case 'not_started':
      throw new InventoryError('not_started', `cannot start ${command} for the inventory`, {
        cause: outcome.cause,
      });
    case 'late':
      throw new InventoryError('timeout', `the inventory took longer than ${timeoutMs} ms and was ended`);
    case 'too_long':
      throw new InventoryError('too_long', `the inventory is longer than ${outputLimitBytes} bytes`);
    case 'stopped':
      throw new InventoryError('stopped', 'the inventory was stopped');
    case 'ended':
  }
  const { status, killer, stdout, stderr } = outcome;
  if (status === 0) return stdout;
  const how = killer ? `by ${killer}` : `with status ${status}`;
  const message = printable(stderr.trim(), 200);
  throw new InventoryError('crashed', `the inventory ended ${how}${message ? `: ${message}` : ''}`);
}
