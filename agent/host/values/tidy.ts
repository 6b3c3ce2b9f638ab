// Makes a text from hardware, firmware or a driver short and safe.

/**
 * Returns `value` on one line, without control characters and invisible characters, cut to `limit` characters. Returns
 * undefined when nothing is left.
 */
export function tidy(value: string | undefined, limit = 128): string | undefined {
  const plain = (value ?? '')
    .slice(0, 4096)
    .toWellFormed()
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ')
    .replace(/[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffd]+/g, '')
    .replace(/ {2,}/g, ' ')
    .trim();
  return (
    plain
      .slice(0, limit)
      .toWellFormed()
      .replace(/\ufffd$/, '')
      .trim() || undefined
  );
}
