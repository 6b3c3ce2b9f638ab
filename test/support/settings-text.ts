// Writes settings as the text of a configuration file.

/** Settings by their keys, such as `log.level`. One that is undefined is not written. */
export type Values = Record<string, string | number | boolean | undefined>;

/** Returns the settings as JSON, which is YAML: each dotted key becomes a nested object. */
export function settingsText(values: Values): string {
  const root: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(values)) {
    const path = key.split('.');
    const last = path.pop() ?? '';
    let group = root;
    for (const name of path) {
      group[name] ??= {};
      group = group[name] as Record<string, unknown>;
    }
    group[last] = value;
  }
  return `${JSON.stringify(root, null, 2)}\n`;
}
