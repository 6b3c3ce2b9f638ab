// Names the conditions that a node can have. A later version may have more of them.

export const conditionTypes = [
  'GpuDriverUnresponsive',
  'GpuMissing',
  'HardwareMismatch',
  'DiskAlmostFull',
  'MemoryPressure',
  'ClockJumped',
  'InventoryStale',
] as const;
export type ConditionType = (typeof conditionTypes)[number];
