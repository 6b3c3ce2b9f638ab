// Names operators: the one who runs a command, for what the requester records, and those whom it has recorded.
import { hostname, userInfo } from 'node:os';
import { printable } from '../../system/printable.ts';

/** Returns `user@host` for the user who runs this command. The requester records it, but cannot prove it. */
export function actor(): string {
  return printable(`${userName()}@${hostname()}`, 255);
}

/** Returns an operator for people. What the caller said of itself, which nothing proves, is in brackets. */
export const operatorText = (name: string, claimed: string | undefined): string =>
  claimed ? `${name} (${claimed})` : name;

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a user that has no entry in the password file.
    return `uid ${process.getuid?.()}`;
  }
}
