// Reads an update of resources in the form in which agents of muster send it, without a JSON reader. A requester gets one of each
// node twice a minute, and reading its JSON and checking it would be half of the work.
import type { UpdateResourcesRequest } from './messages.ts';

const id = '[\\w-]{1,128}';
const text = '[\\w.+-]{0,64}';
const amount = '(?:0|[1-9]\\d{0,14})(?:\\.\\d{1,20})?';
const count = '0|[1-9]\\d{0,14}';

/** All members are there that every machine has. Texts need no unescaping, and no number is too large or negative. */
const usualForm = new RegExp(
  [
    `^\\{"NodeID":"(${id})"`,
    `"AvailableCapacity":\\{"CPU":(${amount}),"Memory":([1-9]\\d{0,14}),"Disk":([1-9]\\d{0,14})\\}`,
    '"QueueUsedCapacity":\\{\\}',
    `"Usage":\\{"CPU":(${amount}),"Memory":(${count}),"Disk":(${count}),"Load":(${amount})\\}`,
    `(?:"RunningExecutions":(${count}),)?"Muster":\\{"Version":"(${text})"`,
    `"ClusterID":"(${id})"`,
    `"Session":"(${id})"`,
    `"Instance":"(${id})"`,
    `"BootID":"(${id})"\\}\\}$`,
  ].join(','),
);

/** The longest message that can be in the usual form, in bytes. */
const maxBytes = 2_048;

/** Returns what the schema makes of such a message; undefined for any other message, also for one that is wrong. */
export function readUsualUpdate(bytes: Uint8Array): UpdateResourcesRequest | undefined {
  if (bytes.length > maxBytes) return undefined;
  const found = usualForm.exec(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'));
  if (!found) return undefined;
  const [, NodeID = '', cpu, memory, disk, usedCpu, usedMemory, usedDisk, load, running] = found;
  const [Version = '', ClusterID = '', Session = '', Instance = '', BootID = ''] = found.slice(10);
  const CPU = Number(cpu);
  // A capacity of zero is left out.
  if (CPU === 0) return undefined;
  return {
    NodeID,
    AvailableCapacity: { CPU, Memory: Number(memory), Disk: Number(disk) },
    QueueUsedCapacity: none,
    Usage: {
      CPU: Number(usedCpu),
      Memory: Number(usedMemory),
      Disk: Number(usedDisk),
      Load: Number(load),
    },
    ...(running === undefined ? {} : { RunningExecutions: Number(running) }),
    Muster: { Version, ClusterID, Session, Instance, BootID },
  };
}

const none = Object.freeze({});
