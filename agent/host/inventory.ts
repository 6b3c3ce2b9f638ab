// The slow inventory: what only `systeminformation` finds out, read by a short-lived child and kept across restarts.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import * as v from 'valibot';
import { type Clock, systemClock } from '../system/clock.ts';
import { readBounded, writeFileAtomic } from '../system/files.ts';
import { printable } from '../system/printable.ts';
import { tidy } from './text.ts';

const words = v.optional(
  v.pipe(
    v.string(),
    v.maxLength(1024),
    v.transform(value => tidy(value)),
  ),
);
const positive = v.optional(v.pipe(v.number(), v.finite(), v.minValue(0)));
const bytes = v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)));

const inventorySchema = v.object({
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
export async function keptInventory(folder: string): Promise<Inventory | undefined> {
  const data = await readBounded(pathIn(folder), outputLimit);
  return data && parse(data.toString('utf8'));
}

/** Keeps `inventory` in `folder`, readable by its owner only. @throws MusterError `not_writable`. */
export async function keepInventory(folder: string, inventory: Inventory): Promise<void> {
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

function outputOf(
  { command, args }: ChildCommand,
  { deadline = 10_000, signal, clock = systemClock }: TakeOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new InventoryError('stopped', 'the inventory is not wanted any more'));
    // A process group of its own, so that what the child starts can be ended with it. The environment is not
    // passed on: it may hold secrets, and what `systeminformation` starts is looked up on a path of the system's own.
    const child = spawn(command, args, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    });
    const output: Buffer[] = [];
    let length = 0;
    let complaint = '';
    let failure: InventoryError | undefined;

    const fail = (fault: InventoryFault, message: string, cause?: unknown) => {
      failure ??= new InventoryError(fault, message, cause === undefined ? undefined : { cause });
      killGroup(child.pid);
      // A grandchild may have left the group and hold the pipes: the answer does not wait for it.
      // Without file descriptors to spare there are no pipes at all.
      child.stdout?.destroy();
      child.stderr?.destroy();
      settle();
    };
    const stop = () => fail('stopped', 'the inventory is not wanted any more');
    const timer = clock.after(deadline, () =>
      fail('timeout', `the inventory took longer than ${deadline} ms and was ended`),
    );
    const settle = () => {
      timer.cancel();
      signal?.removeEventListener('abort', stop);
      if (failure) reject(failure);
      else resolve(Buffer.concat(output).toString('utf8'));
    };
    signal?.addEventListener('abort', stop, { once: true });

    child.on('error', error => fail('not_started', `cannot start ${command} for the inventory`, error));
    child.stdout?.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > outputLimit) fail('too_long', `the inventory is longer than ${outputLimit} bytes`);
      else output.push(chunk);
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      if (complaint.length < 1024) complaint += chunk.toString('utf8');
    });
    child.on('close', (code, killer) => {
      if (failure) return;
      const how = killer ? `by ${killer}` : `with status ${code}`;
      const said = printable(complaint.trim(), 200);
      if (code !== 0) fail('crashed', `the inventory ended ${how}${said ? `: ${said}` : ''}`);
      else settle();
    });
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // ESRCH: all of the group has ended already, which is what was wanted.
  }
}
