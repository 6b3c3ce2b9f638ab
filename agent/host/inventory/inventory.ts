// The slow inventory: what only `systeminformation` finds out, read by a short-lived child and kept across restarts.
import { join } from 'node:path';
import * as v from 'valibot';
import { startChild } from '../../system/child.ts';
import type { Clock } from '../../system/clock.ts';
import { readBounded, writeFileAtomic } from '../../system/files.ts';
import { printable } from '../../system/printable.ts';
import { tidy } from '../values/tidy.ts';

const words = v.optional(
  v.pipe(
    v.string(),
    v.maxLength(1024),
    v.transform(value => tidy(value)),
  ),
);
const positive = v.optional(v.pipe(v.number(), v.finite(), v.minValue(0)));
const bytes = v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)));

/** What the child prints, and what is kept. */
export const inventorySchema = v.object({
  /** When it was read, RFC 3339. */
  takenAt: v.pipe(v.string(), v.isoTimestamp()),
  cpu: v.object({
    manufacturer: words,
    brand: words,
    /** GHz. */
    speed: positive,
    physicalCores: bytes,
  }),
  /** Total memory in bytes. */
  memory: bytes,
  /** Bytes of all fixed disks together; absent where they cannot be told from partitions. */
  disk: bytes,
  os: v.object({ distro: words, release: words, kernel: words }),
  /** The hypervisor (`KVM`), `virtual` where it hides its name, `none` on bare metal. */
  virtualisation: words,
  manufacturer: words,
  model: words,
  /** The graphics of macOS; elsewhere gpu/ finds out more, and sooner. */
  graphics: v.optional(
    v.pipe(
      v.array(
        v.object({
          vendor: words,
          model: words,
          /** Of its own, in MiB; absent where it shares the machine's. */
          memory: bytes,
          cores: bytes,
        }),
      ),
      v.maxLength(64),
    ),
  ),
});

export type Inventory = v.InferOutput<typeof inventorySchema>;

/** How to start this program's hidden inventory command: the executable by absolute path, and its arguments. */
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

/** Why there is no new inventory. The last one stays good. */
export class InventoryError extends Error {
  override readonly name = 'InventoryError';
  readonly fault: InventoryFault;

  constructor(fault: InventoryFault, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.fault = fault;
  }
}

export interface TakeOptions {
  /** Milliseconds the child may take; 10 s unless told otherwise. */
  deadline?: number;
  /** Ends the child at once, for a clean stop. */
  signal?: AbortSignal;
  clock?: Clock;
}

const outputLimit = 262_144;

/**
 * Reads the inventory in a child process, which is killed with all it started when it is late, too talkative or unwanted.
 * @throws InventoryError; nothing else.
 */
export async function takeInventory(child: ChildCommand, options: TakeOptions = {}): Promise<Inventory> {
  return parse(await outputOf(child, options));
}

/**
 * The inventory kept in `folder`; undefined when there is none.
 * @throws InventoryError `malformed` for a file that is not one of ours, MusterError `bad_state` when it cannot be read.
 */
export async function loadInventory(folder: string): Promise<Inventory | undefined> {
  const data = await readBounded(pathIn(folder), outputLimit);
  return data && parse(data.toString('utf8'));
}

/** Keeps `inventory` in `folder`, readable by its owner only. @throws MusterError `not_writable`. */
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
  { deadline = 10_000, signal, clock }: TakeOptions,
): Promise<string> {
  const outcome = await startChild(command, args, { deadline, limit: outputLimit, signal, clock }).outcome;
  switch (outcome.kind) {
    case 'not_started':
      throw new InventoryError('not_started', `cannot start ${command} for the inventory`, {
        cause: outcome.cause,
      });
    case 'late':
      throw new InventoryError('timeout', `the inventory took longer than ${deadline} ms and was ended`);
    case 'too_long':
      throw new InventoryError('too_long', `the inventory is longer than ${outputLimit} bytes`);
    case 'stopped':
      throw new InventoryError('stopped', 'the inventory is not wanted any more');
    case 'ended':
  }
  const { status, killer, stdout, stderr } = outcome;
  if (status === 0) return stdout;
  const how = killer ? `by ${killer}` : `with status ${status}`;
  const said = printable(stderr.trim(), 200);
  throw new InventoryError('crashed', `the inventory ended ${how}${said ? `: ${said}` : ''}`);
}
