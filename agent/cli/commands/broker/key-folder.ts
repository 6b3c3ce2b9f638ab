// Makes the keys of a requester, also for one that runs as a service with a user of its own.
import { join } from 'node:path';
import { inspectRequesterKey } from '../../../broker/broker-access.ts';
import { roleFolder } from '../../../config/paths.ts';
import { sharedKeyFiles, takenFiles } from '../../../roles/share-keys.ts';
import { checkPrivateState, giveFolderToService, giveToService } from '../../../service/private-state.ts';
import { makeFolder } from '../../../system/files.ts';

/**
 * Calls `make` with the requester's folder in the data folder `data`, which may make keys there that are missing. Root gives
 * them to the service whose folder it is. @throws MusterError `not_allowed` when it is a service's, whose requester never ran
 */
export async function withKeyFolder<T>(data: string, make: (folder: string) => Promise<T>): Promise<T> {
  const folder = roleFolder(data, 'requester');
  if (!(await inspectRequesterKey(folder))) {
    await checkPrivateState(data);
    await makeFolder(folder);
  }
  const made = await make(folder);
  for (const name of sharedKeyFiles) await giveToService(join(folder, name));
  return made;
}

/**
 * Calls `take` with the requester's folder in the data folder `data`, which is made when it is missing, and into which it
 * writes keys. Root gives all of it to the service whose folder it is, such as one of an agent that runs already. @throws
 * MusterError `not_allowed` for another user; `not_writable`
 */
export async function intoKeyFolder<T>(data: string, take: (folder: string) => Promise<T>): Promise<T> {
  const folder = roleFolder(data, 'requester');
  if (process.geteuid?.() !== 0) await checkPrivateState(data);
  await makeFolder(folder);
  await giveFolderToService(folder);
  const taken = await take(folder);
  for (const name of takenFiles) await giveToService(join(folder, name));
  return taken;
}
