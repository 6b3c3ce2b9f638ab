// Holds the text that Go writes for a time that is not set.
export const zeroTime = '0001-01-01T00:00:00Z';
