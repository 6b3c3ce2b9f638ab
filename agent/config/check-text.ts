// Checks a text that is to become a configuration file.
import { resolveSettings } from './load.ts';
import { readYaml } from './yaml.ts';

/** Returns the faults and warnings that there would be if `text` were in the file `path` and nothing else set anything. */
export function checkText(text: string, path: string): { faults: string[]; warnings: string[] } {
  return resolveSettings([readYaml(text, path)], '/');
}
