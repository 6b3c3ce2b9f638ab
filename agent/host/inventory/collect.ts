// What the inventory child runs: it asks `systeminformation`, prints one JSON document, and ends.
import os from 'node:os';
import si from 'systeminformation';
import type { Inventory } from './inventory.ts';
import { osName } from './os-name.ts';

/**
 * Prints the inventory on standard output. The calls are the fewest that serve, since each starts processes: the operating
 * system's name comes from its own file (`osInfo` starts 17, one of which may wait for DNS), and `networkInterfaces` is left
 * out, as it starts dozens. `graphics` is asked on macOS alone: elsewhere gpu/ knows better, without tools that may hang.
 */
export async function runInventoryChild(): Promise<void> {
  stepBack();
  endWithParent();
  const { pretty: _, ...name } = await osName();
  const [cpu, memory, system, disks, graphics] = await Promise.all([
    si.cpu(),
    si.mem(),
    si.system(),
    fixedDisks(),
    macGraphics(),
  ]);
  const inventory: Inventory = {
    takenAt: new Date().toISOString(),
    cpu: {
      manufacturer: known(cpu.manufacturer),
      brand: known(cpu.brand),
      speed: cpu.speed || undefined,
      physicalCores: cpu.physicalCores || undefined,
    },
    memory: memory.total,
    disk: disks || undefined,
    os: { ...name, kernel: os.release() },
    virtualisation: virtualisation(system, cpu.flags),
    manufacturer: known(system.manufacturer),
    model: known(system.model),
    graphics,
  };
  process.stdout.write(`${JSON.stringify(inventory)}\n`);
}

/**
 * The hypervisor, `virtual` without its name, or `none`. `systeminformation` has it from the firmware or the kernel's log, which
 * not every machine has, not every user may read, and time overwrites; the flags of an x86 CPU tell at least that there is one.
 */
export function virtualisation(
  { virtual, virtualHost }: { virtual?: boolean; virtualHost?: string },
  cpuFlags: string,
): string {
  if (virtual) return known(virtualHost) ?? 'virtual';
  return /\bhypervisor\b/.test(cpuFlags) ? 'virtual' : 'none';
}

/** Bytes of all fixed disks. On macOS `systeminformation` cannot tell a disk from the containers on it. */
async function fixedDisks(): Promise<number> {
  if (process.platform !== 'linux') return 0;
  const devices = await si.blockDevices();
  return devices
    .filter(device => device.type === 'disk' && !device.removable && !/^(zram|ram|nbd)\d/.test(device.name))
    .reduce((sum, device) => sum + (device.size || 0), 0);
}

async function macGraphics(): Promise<Inventory['graphics']> {
  if (process.platform !== 'darwin') return undefined;
  const { controllers } = await si.graphics();
  return controllers.map(({ vendor, model, vram, vramDynamic, cores }) => ({
    // `sppci_vendor_Apple`, and the like.
    vendor: /apple/i.test(vendor) ? 'Apple' : /amd|ati/i.test(vendor) ? 'AMD/ATI' : known(vendor),
    model: known(model),
    memory: vramDynamic ? undefined : vram || undefined,
    // Its type says a number, the profiler a string.
    cores: Number(cores) || undefined,
  }));
}

const known = (value: string | undefined) => (value && value !== 'unknown' ? value : undefined);

// Heartbeats come first on a busy machine; where priorities may not be changed it runs as it is.
function stepBack(): void {
  try {
    os.setPriority(os.constants.priority.PRIORITY_LOW);
  } catch {
    // EPERM or a system call filter: nothing to do about it.
  }
}

// The parent ends a late child, but a parent that was killed cannot: then the child sees its parent change, and ends
// its own process group, or only itself when it leads none (started by hand).
function endWithParent(): void {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid === parent) return;
    try {
      process.kill(-process.pid, 'SIGKILL');
    } catch {
      process.exit(1);
    }
  }, 250).unref();
}
