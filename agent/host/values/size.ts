// Writes a size of memory or disk for a sentence.
const gib = 2 ** 30;

/** Returns `251.5 GiB`, or `512 MiB` for less than one GiB, which would be rounded to almost nothing in GiB. */
export const formatSize = (bytes: number): string =>
  bytes < gib ? `${Math.round(bytes / 2 ** 20)} MiB` : `${Math.round((bytes / gib) * 10) / 10} GiB`;
