// Says which functions of its store a nats-server has, by its version.

/** The first version of nats-server that knows fences and batches of events. */
export const firstWithFences = { major: 2, minor: 12 };

/** Returns whether a server of this version knows fences and batches of events. */
export function knowsFences(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > firstWithFences.major || (major === firstWithFences.major && minor >= firstWithFences.minor);
}
