// Text checked as a configuration file before it becomes one.
import { resolveSettings } from './load.ts';
import { readYaml } from './yaml.ts';

/** What would be wrong and what doubtful if the file at `path` held `text` and nothing else gave a setting. */
export function checkText(text: string, path: string): { faults: string[]; warnings: string[] } {
  return resolveSettings([readYaml(text, path)], '/');
}
