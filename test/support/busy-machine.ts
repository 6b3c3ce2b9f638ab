// Knows the warnings that are true of a busy machine, and say nothing about what a test looks for.

const patterns = [
  /did not answer within|took longer than|no answer on \S+ within/,
  // A broker, or the store in it, that answers late.
  /an event was not acknowledged|events wait for the broker|does not return our own messages/,
];

/** Returns whether a line of a log only says that something was late. */
export const saysOnlyLate = (line: string): boolean => patterns.some(pattern => pattern.test(line));
