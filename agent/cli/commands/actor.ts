// Names the operator who runs a command, for what the requester records.
import { hostname, userInfo } from 'node:os';
import { printable } from '../../system/printable.ts';

/** Returns `user@host` for the user who runs this command. The requester records it, but cannot prove it. */
export function actor(): string {
  return printable(`${userName()}@${hostname()}`, 255);
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a user that has no entry in the password file.
    return `uid ${process.getuid?.()}`;
  }
}
