// Checks a text before it is written as a configuration file.
import { resolveSettings } from './load.ts';
import { readYaml } from './yaml.ts';

/** Returns the faults and warnings of `text` as the content of the file `path`, without any other source of settings. */
export function checkText(text: string, path: string): { faults: string[]; warnings: string[] } {
  return resolveSettings([readYaml(text, path)], '/');
}
