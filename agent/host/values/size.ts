// How much memory or disk there is, in the words of a sentence.
const gib = 2 ** 30;

/** `251.5 GiB`; below one GiB `512 MiB`, as rounded to nothing it would be no size. */
export const formatSize = (bytes: number): string =>
  bytes < gib ? `${Math.round(bytes / 2 ** 20)} MiB` : `${Math.round((bytes / gib) * 10) / 10} GiB`;
