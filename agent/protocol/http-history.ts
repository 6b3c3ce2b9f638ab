// Defines what the HTTP API says of the last hour of a node: its resources, as they were at each of some times.

/** Numbers at the times of the history; null where nothing was heard of the node. */
export type History = (number | null)[];

export interface NodeHistory {
  NodeID: string;
  /** When its first sample was taken, RFC 3339: at most an hour ago. */
  Since: string;
  /** The times of the samples, in milliseconds since 1970. */
  TimesMs: number[];
  /** What the machine used: CPUs, and bytes of memory and disk. */
  Used: { CPU: History; Memory: History; Disk: History };
  /** What of its capacity was free. */
  Available: { CPU: History; Memory: History; Disk: History };
  /** Memory in MiB, utilisation in percent. */
  GPUs: { Index: number; Name: string; Memory: History; Utilisation: History }[];
}
