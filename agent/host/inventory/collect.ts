// Collects the inventory in the child process: it asks `systeminformation`.
import os from 'node:os';
import si from 'systeminformation';
import type { Inventory } from './inventory.ts';
import { readOsName } from './os-name.ts';

/**
 * Returns the inventory. The hidden command `inventory-child` calls it once.
 *
 * Each call of `systeminformation` starts processes, so there are few calls. `osInfo` starts 17, and one of them may wait
 * for DNS, so the name of the operating system is read from its file instead. `networkInterfaces` starts dozens and is
 * not needed. `graphics` is called on macOS only: on other systems gpu/ knows more, and starts no tool that may hang.
 */
export async function collectInventory(): Promise<Inventory> {
  lowerPriority();
  endWithParent();
  const { pretty: _, ...name } = await readOsName();
  const [cpu, memory, system, disks, graphics] = await Promise.all([
    si.cpu(),
    si.mem(),
    si.system(),
    fixedDisksBytes(),
    macGraphics(),
  ]);
  return {
    takenAt: new Date().toISOString(),
    cpu: {
      manufacturer: knownText(cpu.manufacturer),
      brand: knownText(cpu.brand),
      speed: cpu.speed || undefined,
      physicalCores: cpu.physicalCores || undefined,
    },
    memory: memory.total,
    disk: disks || undefined,
    os: { ...name, kernel: os.release() },
    virtualisation: virtualisation(system, cpu.flags),
    manufacturer: knownText(system.manufacturer),
    model: knownText(system.model),
    graphics,
  };
}

/**
 * Returns the hypervisor; `virtual` when it has no name, `none` when there is none.
 *
 * `systeminformation` reads it from the firmware or from the kernel's log. Some machines have neither, some users may not
 * read them, and the log is overwritten. The flags of an x86 CPU at least show whether there is a hypervisor.
 */
export function virtualisation(
  { virtual, virtualHost }: { virtual?: boolean; virtualHost?: string },
  cpuFlags: string,
): string {
  if (virtual) return knownText(virtualHost) ?? 'virtual';
  return /\bhypervisor\b/.test(cpuFlags) ? 'virtual' : 'none';
}

/**
 * Returns the size of all fixed disks, in bytes; 0 on macOS, where `systeminformation` cannot distinguish a disk from its
 * containers.
 */
async function fixedDisksBytes(): Promise<number> {
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
    // The vendor is a name such as `sppci_vendor_Apple`.
    vendor: /apple/i.test(vendor) ? 'Apple' : /amd|ati/i.test(vendor) ? 'AMD/ATI' : knownText(vendor),
    model: knownText(model),
    memory: vramDynamic ? undefined : vram || undefined,
    // The declared type is a number, but the system's profiler gives a string.
    cores: Number(cores) || undefined,
  }));
}

/** Returns `value`, or undefined when `systeminformation` does not know it. */
const knownText = (value: string | undefined) => (value && value !== 'unknown' ? value : undefined);

// Lowers the priority of this process, because on a busy machine the agent's heartbeats are more important than the
// inventory.
function lowerPriority(): void {
  try {
    os.setPriority(os.constants.priority.PRIORITY_LOW);
  } catch {
    // With EPERM or a system call filter, the child runs with its present priority.
  }
}

// Ends this process when its parent was killed, because then nobody else ends a late child. The child gets another parent
// and notices that. It kills its own process group, or only itself when it leads no group because a person started it.
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
